"""What the reports and the demo share: styles, the frame of a page, and how it is written."""

from __future__ import annotations

import re
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from common.errors import UserError
from common.page import base_style, open_templates, read_part, report_style, source_hash, write_page

REPORTS = ("preprocess.inspection.page", "train.reporting")


def rules(style: str) -> list[str]:
    """Return the rules that stand on a line of their own."""
    return [line for line in style.splitlines() if re.fullmatch(r"\S.*\{.*\}", line)]


def test_no_style_rule_is_duplicated() -> None:
    demo = files("train.serving").joinpath("static", "demo.css").read_text("utf-8")
    shared = [rules(base_style()), rules(read_part("common.page", "reports.css"))]
    own = [*(rules(read_part(package, "report.css")) for package in REPORTS), rules(demo)]
    assert all(shared + own)
    lines = [line for style in shared + own for line in style]
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize("package", REPORTS)
def test_every_colour_used_by_a_style_is_defined(package: str) -> None:
    style = report_style(package)
    assert set(re.findall(r"var\((--[a-z-]+)\)", style)) <= set(re.findall(r"(--[a-z-]+):", style))


def test_a_page_is_complete_escaped_and_allows_only_its_own_scripts(tmp_path: Path) -> None:
    engine = open_templates("common.page")
    page = engine.from_string(
        '{% extends "common/base.html" %}{% from "common/macros.html" import region, rest %}'
        "{% block policy %}script-src '{{ hash }}'{% endblock %}"
        "{% block body %}{% call region(name) %}{{ name }}{% endcall %}{{ rest([0] * 1234, 2) }}{% endblock %}"
    ).render(name="<b>", style=base_style(), hash=source_hash("alert()"))
    assert "<b>" not in page
    assert 'aria-label="&lt;b&gt;"' in page
    assert "default-src 'none'; script-src 'sha256-" in page
    assert "and 1\u202f232 more that are not shown." in page
    write_page(tmp_path / "page.html", page.encode())
    assert (tmp_path / "page.html").read_text() == page
    with pytest.raises(UserError, match=r"--out .*missing/page.html: No such file.*; give a file in a folder"):
        write_page(tmp_path / "missing" / "page.html", page.encode())


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UserError, match=r"jinja2 is not installed; pip install 'tryon-cascade\[report\]'"):
        open_templates("common.page")

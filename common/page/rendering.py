"""Templates and styles of a page: shared ones, and those in the page's own package."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from common.atomic import write_atomically
from common.errors import UserError
from common.extras import needs
from common.text import clip, grouped

if TYPE_CHECKING:
    from jinja2 import Environment

_SHARED: Final = "common.page"


def open_templates(package: str) -> Environment:
    """Return the template environment of a package; shared templates are under `common/`.

    Autoescaping is on and undefined names are errors. Raise UserError if jinja2 is not installed.
    """
    with needs("report"):
        from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined
    shared = PrefixLoader({"common": PackageLoader(_SHARED)})
    engine = Environment(
        loader=ChoiceLoader([shared, PackageLoader(package)]), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    engine.filters.update(clip=clip, grouped=grouped)
    return engine


def read_part(package: str, name: str) -> str:
    """Return the text of a style or script among the templates of a package."""
    return files(package).joinpath("templates", name).read_text("utf-8")


def base_style() -> str:
    """Return the style that all pages share."""
    return read_part(_SHARED, "base.css")


def report_style(package: str) -> str:
    """Return the style of a report: the shared styles and the package's report.css."""
    return base_style() + read_part(_SHARED, "reports.css") + read_part(package, "report.css")


def source_hash(text: str) -> str:
    """Return the hash that allows a style or script in a Content-Security-Policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def write_page(out: Path, page: bytes) -> None:
    """Write a page to `--out`. Raise UserError if the file system refuses."""
    try:
        write_atomically(out, page)
    except OSError as error:
        raise UserError(f"--out {out}: {error.strerror}; give a file in a folder that can be written to") from error

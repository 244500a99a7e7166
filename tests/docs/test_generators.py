"""The reference pages that are made of the code."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click
import pytest
import yaml

import schemas
from generators.api import PACKAGES, api_pages
from generators.commands import PROGRAMS, command_reference
from generators.fault_table import fault_reference
from generators.links import site_links
from generators.settings import settings_reference
from generators.shard_files import shard_reference
from generators.tables import table
from preprocess.faults import Fault
from train.configuration.presets import Preset
from train.configuration.stage_config import OptimConfig

ROOT = Path(__file__).parents[2]


def test_every_command_and_option_is_in_the_reference() -> None:
    text = command_reference()
    for program, group in PROGRAMS.items():
        names = group.list_commands(click.Context(group))
        assert names
        for name in names:
            assert f"### {program} {name}\n" in text
    assert "`--num-nodes`" in text
    assert "`base`, `sr256`, `sr1024`" in text


def test_every_setting_and_preset_is_in_the_reference() -> None:
    text = settings_reference()
    assert f"| `optim.lr` | `0.0001` | {OptimConfig.model_fields['lr'].description} |" in text
    assert "| `model.head_dim` |" in text
    assert "| `size` | from the preset |" in text
    assert all(f"{preset} sr1024" in text for preset in get_args(Preset))


def test_every_field_of_the_json_files_is_in_the_reference() -> None:
    text = shard_reference(ROOT)
    for model in (schemas.Sample, schemas.Manifest, schemas.Reject):
        keys = [field.serialization_alias or name for name, field in model.model_fields.items()]
        assert all(f"`{key}`" in text for key in keys)


def test_every_fault_is_in_the_reference_once() -> None:
    text = fault_reference()
    for fault in Fault:
        assert text.count(f"| `{fault}` |") == 1
        assert fault.meaning in text
    assert "`inner-layer`" in text


def test_every_module_has_a_place_on_the_api_pages() -> None:
    pages = api_pages(ROOT)
    assert set(pages) == set(PACKAGES)
    assert "\n::: train.training.step\n" in pages["train.training"] + "\n"
    assert "::: preprocess.conditioning.agnostic" in pages["preprocess.conditioning"]


def test_a_cell_holds_no_pipe_and_no_line_break() -> None:
    assert table(["a"], [["x|y\nz"]]).splitlines()[-1] == "| x\\|y z |"


@pytest.mark.parametrize(
    ("source", "page", "link", "expected"),
    [
        ("docs/index.md", "index.md", "[m](measurements/prep.md#speed)", "[m](measurements/prep.md#speed)"),
        ("docs/guides/aihub.md", "guides/aihub.md", "[s](../../shards/README.md)", "[s](../reference/shards.md)"),
        ("docs/guides/aihub.md", "guides/aihub.md", "[`x`](../../common/errors.py)", "`x`"),
        ("docs/guides/aihub.md", "guides/aihub.md", "[x](nowhere.md)", "[x](nowhere.md)"),
        ("CHANGELOG.md", "project/changelog.md", "[t](docs/guides/training.md)", "[t](../guides/training.md)"),
        ("docs/index.md", "index.md", "[p](https://example.org/a)", "[p](https://example.org/a)"),
    ],
    ids=["page", "specification", "code", "nothing", "changelog", "elsewhere"],
)  # fmt: skip
def test_links_become_the_sites(source: str, page: str, link: str, expected: str) -> None:
    assert site_links(link, ROOT / source, page, ROOT) == expected


def test_every_document_is_in_the_navigation() -> None:
    pages = set(leaves(yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]))
    documents = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert documents == {page for page in pages if not page.startswith("project/")}


def leaves(entry: object) -> list[str]:
    if isinstance(entry, list):
        return [leaf for part in entry for leaf in leaves(part)]
    return leaves(list(entry.values())) if isinstance(entry, dict) else [str(entry)]

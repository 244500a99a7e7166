"""Shards of drawn people, a copy of them for every test to change, and the page about them, taken apart."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shared_folders import OncePerRun

from preprocess.inspection.page import write_report
from preprocess.planning.pairing import records
from preprocess.planning.plan import make_plan
from preprocess.sharding import build
from preprocess.sources import Files
from preprocess.sources.aihub import open_aihub
from preprocess.synthetic.dataset_writer import write_dataset
from schemas import Configuration


@pytest.fixture(scope="session")
def drawn(once_per_run: OncePerRun, configuration: Configuration) -> Path:
    """Shards of six drawn looks: training and validation, and a reject."""
    return once_per_run("six-looks", lambda root: _draw(root, configuration)) / "shards"


def _draw(root: Path, configuration: Configuration) -> None:
    write_dataset(root / "aihub", looks=6, seed=0, workers=1)
    next((root / "aihub").rglob("1.Training/**/Model-Parse/*_000.json")).write_text("{}")
    files = Files(root / "aihub")
    settings = configuration.model_copy(update={"garment": "all"})
    planned = make_plan(files, list(records(open_aihub(files), "all")), settings)
    build(files, root / "shards", planned, 1, lambda done, total: None)


@pytest.fixture
def folder(drawn: Path, tmp_path: Path) -> Path:
    """A copy of the shards."""
    shutil.copytree(drawn, tmp_path / "shards")
    return tmp_path / "shards"


Patch = Callable[[str, str, str], None]


@pytest.fixture
def patch(folder: Path) -> Patch:
    """Change text of the first sample of a shard that holds it, in place; old and new are of one length."""

    def change(shard: str, old: str, new: str) -> None:
        assert len(old.encode()) == len(new.encode())
        data = (folder / shard).read_bytes()
        assert old.encode() in data
        (folder / shard).write_bytes(data.replace(old.encode(), new.encode(), 1))

    return change


@pytest.fixture
def page_of(tmp_path: Path, take_apart: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Write the page about a folder, in this process, and take it apart."""

    def write(folder: Path) -> Any:
        write_report(folder, tmp_path / "report.html", 1, lambda done, total: None)
        return take_apart(tmp_path / "report.html")

    return write

"""Shards of drawn people, a copy of them for every test to change, and the page about them taken apart."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest

from preprocess.build import build
from preprocess.drawn.dataset import write_dataset
from preprocess.plan import make_plan
from preprocess.report import write_report
from preprocess.sources import Files
from preprocess.sources.aihub import open_aihub
from preprocess.sources.pairs import records
from schemas import Configuration


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory, configuration: Configuration) -> Path:
    """Shards of six drawn looks: training and validation, and a reject."""
    root = tmp_path_factory.mktemp("report")
    write_dataset(root / "aihub", looks=6, seed=0, workers=1)
    next((root / "aihub").rglob("1.Training/**/Model-Parse/*_000.json")).write_text("{}")
    files = Files(root / "aihub")
    settings = configuration.model_copy(update={"garment": "all"})
    planned = make_plan(files, list(records(open_aihub(files), "all")), settings)
    build(files, root / "shards", planned, 1, lambda done, total: None)
    return root / "shards"


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


@dataclass
class Page(HTMLParser):
    """What a browser would make of the page: tags with their attributes, text, and tables."""

    source: str
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    tables: list[list[list[str]]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    in_cell: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.in_cell = True
        elif tag == "br" and self.in_cell:
            self.tables[-1][-1][-1] += "\n"

    def handle_endtag(self, tag: str) -> None:
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.in_cell:
            self.tables[-1][-1][-1] += data.replace("\N{NARROW NO-BREAK SPACE}", "")

    @property
    def text(self) -> str:
        """All that is read, and no markup."""
        return "".join(self.words)

    def all(self, tag: str, of_class: str = "") -> list[dict[str, str | None]]:
        """The attributes of every such tag."""
        found = [attributes for name, attributes in self.tags if name == tag]
        return [one for one in found if not of_class or of_class in (one.get("class") or "").split()]

    def table(self, title: str) -> dict[str, list[int]]:
        """The counts of a table by the name of their row: each split's, then all."""
        rows = next(table for table in self.tables if table[0][0] == title)
        return {row[0].split("\n")[0]: [int(cell) for cell in row[1:-1]] for row in rows[1:]}


@pytest.fixture
def page_of(tmp_path: Path) -> Callable[[Path], Page]:
    """Write the page about a folder, in this process, and take it apart."""

    def write(folder: Path) -> Page:
        write_report(folder, tmp_path / "report.html", 1, lambda done, total: None)
        return Page((tmp_path / "report.html").read_text("utf-8"))

    return write

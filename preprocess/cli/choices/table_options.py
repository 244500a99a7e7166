"""The options of `--source table`, and the dataset's files by --src or --table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from common.errors import UserError
from common.options import FOLDER, Location, options_of
from common.progress import notice
from common.text import counted
from preprocess.cli.options import FILLED
from preprocess.faults import Fault
from preprocess.planning.datasets import Dataset
from preprocess.sources.files import Files
from preprocess.sources.stores.remote_files import RemoteFiles
from preprocess.sources.tables.pair_table import PairTable, names_in_paths
from preprocess.sources.tables.table_columns import column_names
from preprocess.sources.tables.table_files import TableFiles, table_locations
from preprocess.sources.tables.table_rows import is_url
from schemas import Source


@dataclass(frozen=True)
class TableChoice:
    """The dataset's folder, and the tables of its pairs, if it has any."""

    src: Path | str | None
    follow_links: bool
    filled: Path | None
    table: tuple[str, ...]
    column: tuple[str, ...]
    category: tuple[str, ...]
    cache: Path | None

    def open(self, source: Source | Literal["auto"], *, absolute: bool) -> Files:
        """Return the dataset's files; ``absolute`` if other processes have other working folders. Raise UserError."""
        if not self.table:
            self._check_without_table()
            if source == "table":
                raise UserError("--source table: needs --table FILE, the table of pairs")
            if self.src is None:
                raise UserError(
                    "Missing option '--src', the dataset's folder, zip or tar; or give --table, a table of pairs"
                )
            return self._folder(self.src, absolute)
        if self.filled is not None:
            raise UserError(f"--filled {self.filled}: belongs to a dataset's layout; name the labels in the table")
        if source not in ("auto", "table"):
            raise UserError(f"--table: belongs to --source table, not {source}; remove one of the two")
        names = column_names(self.column, self.category)
        locations = table_locations(self.table)
        base = f"{self.src.rstrip('/')}" if isinstance(self.src, str) else ""
        src = self.src if isinstance(self.src, Path) else _folder_of(locations[0])
        if absolute:
            src = src.resolve()
            locations = [location if is_url(location) else str(Path(location).resolve()) for location in locations]
        cache = self.cache.resolve() if self.cache else None
        tables = names_in_paths(src, locations)
        return TableFiles(src, tables, names, base=base, follow_links=self.follow_links, cache=cache)

    def open_if_given(self) -> Files | None:
        """Return the dataset's files, None if no option names a dataset. Raise UserError."""
        if self.src is not None or self.table:
            return self.open("auto", absolute=False)
        self._check_without_table()
        for option, value in (("--filled", self.filled), ("--follow-links", self.follow_links)):
            if value:
                raise UserError(f"{option}: belongs to a dataset; add --src DIR")
        return None

    def _check_without_table(self) -> None:
        for option, value in (("--column", self.column), ("--category", self.category), ("--cache", self.cache)):
            if value:
                raise UserError(f"{option}: belongs to a table of pairs; add --table FILE")

    def _folder(self, src: Path | str, absolute: bool) -> Files:
        filled = self.filled.resolve() if self.filled and absolute else self.filled
        if isinstance(src, str):
            if filled:
                raise UserError(f"--filled {filled}: needs a dataset in a folder, a zip or a tar; copy {src} to one")
            return RemoteFiles(src)
        return Files(src.resolve() if absolute else src, follow_links=self.follow_links, filled=filled)


class _Source(Location):
    """A folder, a zip or tar (Path), or a URL (str)."""

    def convert(self, value: Path | str, param: click.Parameter | None, ctx: click.Context | None) -> Path | str:
        """Return a path or a URL."""
        return value if isinstance(value, Path) or is_url(value) else Path(value)


TABLE = options_of(
    TableChoice,
    "dataset",
    click.option(
        "--src", type=_Source(), default=None,
        help="Folder with the dataset, its zip or tar, or its URL (s3://…).  [default: the folder of --table]",
    ),
    click.option("--follow-links", is_flag=True, help="Read what symbolic links in --src lead to."),
    FILLED,
    click.option(
        "--table", multiple=True, metavar="FILE|URL",
        help="Table of pairs (CSV, TSV, JSON lines, parquet), a pattern of several, or a URL; repeatable.",
    ),
    click.option(
        "--column", multiple=True, metavar="COLUMN=NAME",
        help="The table's own name of a column: person, garment, pose, parse, mask, category, split, …; repeatable.",
    ),
    click.option(
        "--category", multiple=True, metavar="WORD=KIND",
        help="The kind of garment (upper, lower, dress) that a word in the column category means; repeatable.",
    ),
    click.option("--cache", type=FOLDER, default=None, help="Folder to keep files in that the table names by URLs."),
)  # fmt: skip


def notice_unused(data: Dataset) -> None:
    """Say which columns of a table nothing is read from, and what kind of rows are skipped, each in one line."""
    if not isinstance(data, PairTable):
        return
    if data.unused:
        notice("prep", f"columns not used: {', '.join(data.unused)}")
    for fault in (Fault.BAD_PAIR, Fault.UNKNOWN_CATEGORY, Fault.WORN_UNKNOWN):
        if count := data.found.counts[fault]:
            notice("prep", f"{counted(count, 'row')} skipped as {fault}: {'; '.join(data.found.examples[fault])}")


def _folder_of(location: str) -> Path:
    return Path() if is_url(location) else Path(location).parent

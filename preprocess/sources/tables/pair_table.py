"""A dataset that is a table of pairs: each row a person and the garment worn, or one photograph of a person.

Paths are relative to the dataset's folder, or to the table's URL if it lies at one. Rows with the same `person_id` (and
`outfit`, and garment) show one person in one outfit: they are the frames of a look, and pair with each other. A row
whose column `worn` says no pairs a person with another garment: no photograph shows that, so it is for inference alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os.path import splitext
from pathlib import Path
from typing import Literal, NamedTuple

from common.errors import UserError
from preprocess.faults import Exclusion, Fault, Tally
from preprocess.label_tables import Labels
from preprocess.sources.files import normal
from preprocess.sources.record import UNWANTED_GARMENT, Record
from preprocess.sources.tables.table_columns import FILES, Column, is_worn, split_by_name, split_of
from preprocess.sources.tables.table_files import TableFiles, below
from preprocess.sources.tables.table_rows import TableRow, is_parquet, is_url, read_rows
from preprocess.sources.tables.web_addresses import path_in, taken_apart
from schemas import Garment, Pairing, Source, Split, Views

_ONLY_FRAME = "0"
"""The frame of a person with one photograph."""
_SHOWN = 40
"""Characters of a cell in messages."""


class PhotographRow(NamedTuple):
    """One row that can be used."""

    split: Split
    kind: Garment
    look: str
    frame: str
    item: str
    paths: Mapping[Column, str]
    worn: bool = True
    """Whether the person's photograph shows the garment; if not, the pair is for inference"""

    def path(self, column: Column) -> str:
        """Return the file of a column, "" if the row has none."""
        return self.paths.get(column, "")

    @property
    def pair(self) -> tuple[str, ...]:
        """Return what tells pairs apart: two rows with the same would get the same key."""
        return (self.split, self.look, self.frame, self.item, self.path("person"), self.path("garment"))

    def differences(self, other: PhotographRow) -> list[Column]:
        """Return the columns in which another row of the same pair differs."""
        words: list[Column] = ["category"] if self.kind != other.kind else []
        if self.worn != other.worn:
            words.append("worn")
        return [*words, *(column for column in FILES if self.path(column) != other.path(column))]

    @property
    def labels(self) -> Labels:
        """Return the table of the person's parse: AI-Hub's polygons if it is JSON, else a label map's."""
        return "aihub" if is_json(self.path("parse")) else "cihp"


@dataclass
class PairTable:
    """The rows of all tables, their faults with examples, and what the options excluded."""

    files: TableFiles
    rows: list[PhotographRow] = field(default_factory=list)
    found: Tally = field(default_factory=Tally)
    excluded: Counter[Exclusion] = field(default_factory=Counter)
    unused: dict[str, None] = field(default_factory=dict)
    """Names of columns that are not used"""
    source: Source = "table"

    @property
    def left_out(self) -> dict[str, int]:
        """Code → count: of every fault, and of every exclusion by the options."""
        return {str(code): count for code, count in (*self.found.counts.items(), *self.excluded.items())}

    def records(
        self, garment: Garment | Literal["all"], pairing: Pairing | Literal["both"], _views: Views
    ) -> Iterator[Record]:
        """Yield a record for every selected pair: with the garment's photograph, or with another one of the person."""
        wanted = [row for row in self.rows if garment in ("all", row.kind)]
        self.excluded.update(UNWANTED_GARMENT[row.kind] for row in self.rows if garment not in ("all", row.kind))
        if pairing != "view":
            yield from (_with_garment(row) for row in wanted if row.path("garment"))
        if pairing != "item":
            yield from _with_others(wanted)

    def why_empty(self, pairing: Pairing | Literal["both"]) -> str:
        """Return why no row became a record."""
        tables = ", ".join(self.files.tables)
        if not self.rows:
            skipped = (Fault.BAD_PAIR, Fault.UNKNOWN_CATEGORY, Fault.WORN_UNKNOWN)
            counts = [(fault, count) for fault in skipped if (count := self.found.counts[fault])]
            if not counts:
                return f"{tables}: has no rows; each one names a person's image and a garment's"
            faults = ", ".join(f"{count} {fault} ({self.found.examples[fault][0]})" for fault, count in counts)
            return f"{tables}: no row is a usable pair: {faults}"
        if pairing == "item":
            return f"{tables}: no row has a garment's photograph; pair people with --pairing view"
        return f"{tables}: no two rows have the same person_id, outfit and garment; --pairing item pairs with garments"


def open_table(files: TableFiles, *, unpaired: bool = False) -> PairTable:
    """Read the tables; rows of garments that are not worn only if ``unpaired``.

    Raise UserError if one cannot be read or lacks a needed column.
    """
    names = files.names
    data = PairTable(files)
    seen: dict[tuple[str, ...], PhotographRow] = {}
    for name, location in files.tables.items():
        header, rows = read_rows(location)
        columns = names.find(header, f"--table {location}")
        data.unused.update(dict.fromkeys(column for column in header if column and column not in columns.values()))
        for row in rows:
            where = f"{name}, row {row.number + 1}"
            try:
                usable = _Cells(row, columns, name, files).photograph(split_by_name(location))
            except _UnusableRowError as error:
                data.found.note(error.fault, f"{where}: {error.what}")
                continue
            if not usable.worn and not unpaired:
                data.found.note(Fault.WORN_UNKNOWN, where)
                continue
            first = seen.setdefault(usable.pair, usable)
            if first is usable:
                data.rows.append(usable)
            elif first == usable:
                data.found.note(Fault.REPEATED_PAIR, where)
            else:
                other = " and ".join(usable.differences(first))
                data.found.note(Fault.BAD_PAIR, f"{where}: another {other} than an earlier row of the pair")
    return data


def names_in_paths(src: Path, locations: Iterable[str]) -> dict[str, str]:
    """Return the tables by the names that they have in paths: relative to the folder, or their URLs."""
    named: dict[str, str] = {}
    for location in locations:
        name = location if is_url(location) else below(location, str(src.resolve()))
        if Path(name).is_absolute() or name.startswith(".."):
            name = Path(name).name
        if named.setdefault(name, location) != location:
            raise UserError(f"--table {location}: another table is called {name}; give --src, the folder of both")
    return named


def is_json(path: str) -> bool:
    """Return whether a label file of this name, which may be a URL, is JSON."""
    return (path_in(path) if is_url(path) else path).lower().endswith(".json")


class _UnusableRowError(Exception):
    """A row that names no pair."""

    def __init__(self, fault: Fault, what: str) -> None:
        super().__init__(what)
        self.fault = fault
        self.what = what


class _Cells:
    """The cells of one row, read by the column's meaning."""

    def __init__(self, row: TableRow, columns: Mapping[Column, str], table: str, files: TableFiles) -> None:
        self._row, self._columns, self._table, self._files = row, columns, table, files

    def photograph(self, split_of_table: Split | None) -> PhotographRow:
        """Return the row with its paths and ids. Raise _UnusableRowError."""
        paths = {column: path for column in FILES if (path := self._file(column))}
        if "person" not in paths:
            raise _UnusableRowError(Fault.BAD_PAIR, "names no person's image")
        who, outfit = self._word("person_id"), self._word("outfit")
        if "garment" not in paths and not who:
            raise _UnusableRowError(Fault.BAD_PAIR, "names neither a garment's image nor a person_id")
        category = self._word("category")
        kind = self._files.names.kind(category)
        if kind is None:
            raise _UnusableRowError(Fault.UNKNOWN_CATEGORY, repr(category[:_SHOWN]))
        own = self._word("id") or self._id(paths["person"])
        look = (f"{who}-{outfit}" if outfit else who) or own
        worn = look if kind == "upper" else f"{look}-{kind}"
        item = self._id(paths["garment"]) if "garment" in paths else worn
        frame = own if who else _ONLY_FRAME
        return PhotographRow(self._split(split_of_table), kind, look, frame, item, paths, self._worn(paths))

    def _split(self, of_table: Split | None) -> Split:
        word = self._word("split")
        split = split_of(word) if word else of_table or "train"
        if split is None:
            raise _UnusableRowError(Fault.BAD_PAIR, f"split {word[:_SHOWN]!r} is none of train, val, test")
        return split

    def _worn(self, paths: Mapping[Column, str]) -> bool:
        word = self._word("worn")
        worn = is_worn(word)
        if worn is None:
            raise _UnusableRowError(Fault.BAD_PAIR, f"worn {word[:_SHOWN]!r} is neither yes nor no")
        if not worn and "garment" not in paths:
            raise _UnusableRowError(Fault.BAD_PAIR, "names no garment's image, and it is not worn")
        return worn

    def _word(self, column: Column) -> str:
        word = self._row.values.get(self._columns.get(column, ""), "")
        if not word.isprintable():
            raise _UnusableRowError(Fault.BAD_PAIR, f"{column} has unprintable characters")
        return normal(word)

    def _file(self, column: Column) -> str:
        """Return the path of a cell's file: the one that it names, or the cell itself; "" if it is empty."""
        name = self._columns.get(column, "")
        if name in self._row.files:
            if not is_parquet(self._table):
                raise _UnusableRowError(Fault.BAD_PAIR, f"{column} is neither a path nor a URL")
            return f"{self._table}/{self._row.number:08d}/{name}"
        value = self._row.values.get(name, "")
        if not value.isprintable():
            raise _UnusableRowError(Fault.BAD_PAIR, f"{column} has unprintable characters")
        path = self._files.path_of(value, self._files.tables[self._table]) if value else ""
        if is_url(path) and taken_apart(path) is None:
            raise _UnusableRowError(Fault.BAD_PAIR, f"{column} is a malformed URL, {path[:_SHOWN]!r}")
        return path

    def _id(self, path: str) -> str:
        """Return an id made of a file's path: unique, and in the order of the rows if it is a cell."""
        if path.startswith(f"{self._table}/") and path.split("/")[-2].isdigit():
            stem = splitext(self._table.rpartition("/")[2])[0]
            return f"{stem}-{path.split('/')[-2]}"
        below = path_in(path) if is_url(path) else path
        return re.sub("/+", "-", splitext(normal(below))[0].strip("/"))


def _with_garment(row: PhotographRow) -> Record:
    return _record(row, "item", "F", (row.path("garment"), row.path("garment_pose"), row.path("mask")))


def _with_others(rows: Sequence[PhotographRow]) -> Iterator[Record]:
    """Pair every two photographs of one person in one outfit, in both directions."""
    looks: dict[tuple[str, ...], dict[str, PhotographRow]] = {}
    for row in rows:
        if row.frame != _ONLY_FRAME and row.worn:
            frames = looks.setdefault((row.split, row.look, row.item, row.kind), {})
            frames.setdefault(row.path("person"), row)
    for frames in looks.values():
        for row in frames.values():
            for other in frames.values():
                if other is not row:
                    paths = other.path("person"), other.path("pose"), other.path("parse")
                    yield _record(row, "view", other.frame, paths)


def _record(row: PhotographRow, pairing: Pairing, side: str, product: tuple[str, str, str]) -> Record:
    return Record(
        part=row.split,
        split=row.split,
        look=row.look,
        frame=row.frame,
        item=row.item,
        side=side,
        garment=row.kind,
        view="front",
        pairing=pairing,
        person_image=row.path("person"),
        person_pose=row.path("pose"),
        person_parse=row.path("parse"),
        product_image=product[0],
        product_pose=product[1],
        product_parse=product[2],
        labels=row.labels,
        layout="table",
        worn=row.worn,
    )

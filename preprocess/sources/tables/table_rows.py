"""The rows of a table: a text with a heading (.csv, .tsv), JSON lines (.jsonl), a list in JSON (.json) or parquet.

A cell of parquet may hold a file itself: bytes, a struct of `bytes` and `path` as Hugging Face's datasets have it, or
the text of a JSON file. Such cells are recognised by their column's type; one without bytes stands for its `path`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from common.errors import UserError
from common.storage.connection import open_url, with_retries
from common.text import one_line
from preprocess.formats.encodings import readings

OPTION = "--table"
PARQUET = (".parquet", ".pq")
_JSON = (".jsonl", ".ndjson", ".json")
_TEXTS = (".csv", ".tsv", ".txt")
SUFFIXES = (*PARQUET, *_JSON, *_TEXTS)
_ROWS, _ROWS_WITH_BYTES = 1024, 32
"""Rows of parquet in memory at a time."""
_LONGEST_FIELD = 1 << 24
"""Maximum characters of a cell; csv's own limit, 128 KiB, is too small for some descriptions."""


@dataclass(frozen=True)
class TableRow:
    """One row: its number from 0, its texts by the table's own column names, and the columns whose cell is a file."""

    number: int
    values: dict[str, str]
    files: frozenset[str] = field(default_factory=frozenset)


def is_url(path: str) -> bool:
    """Return whether a path is a URL."""
    return "://" in path


def is_parquet(location: str) -> bool:
    """Return whether a table of this name is parquet."""
    return location.lower().endswith(PARQUET)


def read_rows(location: str) -> tuple[list[str], Iterator[TableRow]]:
    """Return the names of a table's columns, and its rows. Raise UserError if it cannot be read."""
    if is_parquet(location):
        return _parquet_rows(location)
    with opened(location) as file:
        data = file.read()
    if location.lower().endswith(_JSON):
        return _json_rows(data.decode("utf-8-sig", "replace"), location)
    return _text_rows(data, location)


@contextmanager
def opened(location: str) -> Iterator[BinaryIO]:
    """Yield a table, local or at a URL, for reading. Raise UserError."""
    try:
        if is_url(location):
            files, path = open_url(OPTION, location)
            file = with_retries(location, lambda: files.open(path, "rb"))
        else:
            file = open(location, "rb")  # noqa: PTH123, SIM115 -- closed below
    except OSError as error:
        raise UserError(f"{OPTION} {location}: {error.strerror or one_line(error)}; check the path") from error
    with file:
        yield file


def open_parquet(file: BinaryIO, location: str) -> Any:
    """Return pyarrow's reader of an open parquet file. Raise UserError if it is not parquet."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise UserError(
            f"{OPTION} {location}: parquet needs a package that is not installed; pip install 'tryon-cascade[table]'"
        ) from error
    try:
        return pyarrow.parquet.ParquetFile(file)
    except (OSError, ValueError, pyarrow.ArrowException) as error:  # ValueError: a server without ranges, too
        raise UserError(f"{OPTION} {location}: no parquet file: {one_line(error)}; fetch it again") from error


def _text_rows(data: bytes, location: str) -> tuple[list[str], Iterator[TableRow]]:
    texts = readings(data)
    if not texts:
        raise UserError(f"{OPTION} {location}: not a text file; save it as CSV in UTF-8")
    text = texts[0][0]
    first = text.lstrip().split("\n", 1)[0]
    usual = csv.field_size_limit(_LONGEST_FIELD)  # of the whole process
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max("\t;,", key=first.count), skipinitialspace=True)
    try:
        lines = [line for line in reader if any(cell.strip() for cell in line)]
    except csv.Error as error:
        raise UserError(f"{OPTION} {location}, line {reader.line_num}: {error}; save it as CSV again") from error
    finally:
        csv.field_size_limit(usual)
    if not lines:
        raise UserError(f"{OPTION} {location}: empty; its first line names the columns, each other one is a pair")
    header = _header([name.strip() for name in lines[0]], location)
    for number, line in enumerate(lines[1:], 1):
        if len(line) > len(header) and any(cell.strip() for cell in line[len(header) :]):
            raise UserError(
                f"{OPTION} {location}, row {number}: {len(line)} cells, and the first line names {len(header)} "
                "columns; quote cells that contain commas"
            )
    return header, (
        TableRow(number, dict(zip(header, (cell.strip() for cell in line), strict=False)))
        for number, line in enumerate(lines[1:])
    )


def _json_rows(text: str, location: str) -> tuple[list[str], Iterator[TableRow]]:
    """Read an object on each line, or one list of objects."""
    rows: list[dict[str, str]] = []
    for where, row in _objects(text, location):
        if not isinstance(row, dict):
            raise UserError(f"{OPTION} {location}, {where}: not a JSON object with a value for each column")
        rows.append({name: _text(value) for name, value in row.items()})
    header = _header(list(dict.fromkeys(name for row in rows for name in row)), location)
    return header, (TableRow(number, row) for number, row in enumerate(rows))


def _objects(text: str, location: str) -> Iterator[tuple[str, Any]]:
    """Yield what each line, or each item of the list, holds, and where it is."""
    if text.lstrip().startswith("["):
        try:
            items = json.loads(text)
        except ValueError as error:
            raise UserError(f"{OPTION} {location}: not JSON: {error}") from error
        yield from ((f"item {number}", item) for number, item in enumerate(items, 1))
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield f"line {number}", json.loads(line)
            except ValueError as error:
                raise UserError(f"{OPTION} {location}, line {number}: not JSON: {error}") from error


def _text(value: object) -> str:
    """Return a cell as text; none and not-a-number, as pandas writes what is missing, are empty."""
    return "" if value is None or value != value else str(value).strip()


def _header(names: list[str], location: str) -> list[str]:
    twice = [name for number, name in enumerate(names) if name and name in names[:number]]
    if twice:
        raise UserError(f"{OPTION} {location}: two columns are called {twice[0]}; rename one")
    return names


def _parquet_rows(location: str) -> tuple[list[str], Iterator[TableRow]]:
    with opened(location) as file:
        header = _header(list(open_parquet(file, location).schema_arrow.names), location)
    return header, _whole(_cells(location), location)


def _whole(rows: Iterator[TableRow], location: str) -> Iterator[TableRow]:
    """Yield the rows. Raise UserError where the file is damaged."""
    try:
        yield from rows
    except (OSError, ValueError) as error:
        raise UserError(f"{OPTION} {location}: damaged: {one_line(error)}; fetch it again") from error


def _cells(location: str) -> Iterator[TableRow]:
    """Yield the rows of parquet; in columns that hold files, only check whether each cell is empty or names its file.

    Bytes are read where the group's statistics say that some are missing, or nothing.
    """
    import pyarrow as pa

    with opened(location) as file:
        table = open_parquet(file, location)
        schema = table.schema_arrow
        stored = {name for name in schema.names if _holds_files(pa, schema.field(name).type)}
        plain = [name for name in schema.names if name not in stored and _is_plain(pa, schema.field(name).type)]
        shallow = [name for name in stored if _has_path(pa, schema.field(name).type)]
        number = 0
        for group in range(table.metadata.num_row_groups):
            lacking = _lacking_bytes(table.metadata.row_group(group))
            read = [*plain, *(f"{name}.path" for name in shallow)]
            held = [f"{name}.bytes" for name in shallow if f"{name}.bytes" in lacking]
            read += held
            for batch in table.iter_batches(
                batch_size=_ROWS_WITH_BYTES if held else _ROWS, row_groups=[group], columns=read
            ):
                columns = {name: batch.column(name) for name in batch.schema.names}
                for at in range(batch.num_rows):
                    yield _cell_row(number, {name: column[at].as_py() for name, column in columns.items()}, stored)
                    number += 1


def _lacking_bytes(group: Any) -> set[str]:
    """Return the paths of a row group's columns in which cells are missing, or may be."""
    columns = [group.column(number) for number in range(group.num_columns)]
    return {
        column.path_in_schema
        for column in columns
        if column.statistics is None or not column.statistics.has_null_count or column.statistics.null_count
    }


def _cell_row(number: int, cells: dict[str, Any], stored: set[str]) -> TableRow:
    """Return a row of parquet; a cell without bytes stands for the file that it names."""
    values, files = {}, stored - cells.keys()
    for name, cell in cells.items():
        if name not in stored:
            text = _text(cell)
            if text[:1] in ("{", "["):
                files.add(name)
            else:
                values[name] = text
        elif cell is not None and "bytes" in cell and not cell["bytes"] and cell["path"]:
            values[name] = _text(cell["path"])
        elif cell is not None:
            files.add(name)
    return TableRow(number, values, frozenset(files))


def _holds_files(pa: Any, kind: Any) -> bool:
    if pa.types.is_struct(kind):
        return any(kind.field(at).name == "bytes" for at in range(kind.num_fields))
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _has_path(pa: Any, kind: Any) -> bool:
    return pa.types.is_struct(kind) and any(kind.field(at).name == "path" for at in range(kind.num_fields))


def _is_plain(pa: Any, kind: Any) -> bool:
    return not pa.types.is_nested(kind)

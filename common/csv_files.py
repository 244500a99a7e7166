"""CSV files that the user writes: lists of pairs, and errors of Python's CSV reader in one line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from common.errors import UserError


@contextmanager
def csv_errors(where: str) -> Iterator[None]:
    """Raise UserError that names the file ``where`` if the CSV reader refuses it, as for an oversized field."""
    try:
        yield
    except csv.Error as error:
        raise UserError(f"{where}: {error}; give one pair per line, as text") from error


def pair_rows(
    text: str, option: str, path: Path, columns: Sequence[str], *, ignored: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the non-empty lines of a list of pairs, with their numbers, by the names of its columns in lower case.

    The first line names some of ``columns``, `person` and `garment` among them, and perhaps some of ``ignored``.
    ``option`` comes before the path in messages, "" for none. Raise UserError for another first line, and for a line
    with more fields.
    """
    where = f"{option} {path}".lstrip()
    header = text.split("\n", 1)[0]
    reader = csv.DictReader(text.splitlines(), delimiter=max(",;\t", key=header.count), restkey="", restval="")
    with csv_errors(where):
        names = [name.strip().lower() for name in reader.fieldnames or ()]
        if not {"person", "garment"} <= set(names) <= {*columns, *ignored}:
            raise UserError(f"{where}: the first line must be {','.join(columns)}, not {header.strip()[:60]!r}")
        reader.fieldnames = names
        for row in reader:
            if "" in row:
                raise UserError(
                    f"{path}, line {reader.line_num}: more fields than the first line; quote fields that contain commas"
                )
            if any(value.strip() for value in row.values()):
                yield reader.line_num, row

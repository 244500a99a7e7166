"""Lists of pairs of VITON-HD and Dress Code: text, a row a pair, columns parted by spaces or tabs.

The names met: `train_pairs.txt`, `test_pairs.txt`, `test_pairs_paired.txt`, `test_pairs_unpaired.txt`, and the same
with `val` or `valid`. A row is PERSON GARMENT or PERSON GARMENT CATEGORY; with or without folders before the names,
blank lines between, a newline at the end, a byte order mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from os.path import splitext
from typing import NamedTuple

from common.errors import UserError
from preprocess.faults import RecordError
from preprocess.sources.aihub_names import is_usable_stem
from preprocess.sources.counts import Tally
from preprocess.sources.files import Files, normal
from schemas import Split

_LIST = re.compile(r"^(train|test|val|valid|validation)_?[a-z]*_?pairs.*\.txt$", re.IGNORECASE)


class Row(NamedTuple):
    """One row: the stems of a person's and of a garment's picture, and what the third column says, "" without."""

    person: str
    garment: str
    category: str


def list_split(name: str) -> Split | None:
    """Return the split that a file of this name lists the pairs of, None for another file."""
    match = _LIST.match(name)
    return None if match is None else "train" if match[1].lower() == "train" else "val"


def read_list(files: Files, path: str, found: Tally) -> Iterator[Row]:
    """Yield the rows of a list, each once. Counted are `bad-pair`, no row, and `repeated-pair`, one that comes again.

    Raise UserError where the list cannot be read.
    """
    seen: set[Row] = set()
    try:
        text = files.read(path).decode("utf-8-sig")
    except (RecordError, UnicodeDecodeError) as error:
        raise UserError(f"{files.root / path}: not a text of pairs ({error}); fetch the file anew") from error
    for number, line in enumerate(text.splitlines(), 1):
        columns = line.split()
        if not columns:
            continue
        stems = [splitext(normal(name).replace("\\", "/").rpartition("/")[2])[0] for name in columns[:2]]
        if len(columns) not in (2, 3) or not all(is_usable_stem(stem) for stem in stems):
            found.note("bad-pair", f"{path}, line {number}")
            continue
        row = Row(stems[0], stems[1], columns[2] if len(columns) == 3 else "")
        if row in seen:
            found.note("repeated-pair", f"{path}, line {number}")
        else:
            seen.add(row)
            yield row

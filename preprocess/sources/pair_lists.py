"""Lists of pairs: text files with one pair of a person and a garment per row, as people write them.

A list's name is `train_pairs.txt`, `test_pairs.txt`, `test_pairs_paired.txt`, `test_pairs_unpaired.txt`, or one of
these with `val` or `valid`, with anything after `pairs`, as .txt, .csv or .tsv. A row is PERSON GARMENT or PERSON
GARMENT CATEGORY, in columns separated by tabs, commas, semicolons or spaces, quoted or not. Names may contain spaces
and commas: of several ways to divide a row, the one whose names have images is used. Folders before the names, other
spellings of a name (upper and lower case, decomposed Unicode, another or no suffix), blank lines, a heading, a byte
order mark, UTF-16, cp949 and cp1252 are accepted.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os.path import splitext
from typing import NamedTuple

from common.errors import UserError
from preprocess.faults import Fault, RecordError, Tally
from preprocess.formats.encodings import readings
from preprocess.sources.aihub_names import is_usable_stem
from preprocess.sources.files import IMAGE_SUFFIXES, Files, normal
from schemas import Split

_LIST = re.compile(r"^(train|test|val|valid|validation)[_-]?[a-z]*[_-]?pairs.*\.(txt|csv|tsv)$", re.IGNORECASE)
_LONGEST_LINE = 4096
"""Maximum characters of a line; a longer one is no pair of names."""
_UNPAIRED = re.compile(r"unpair", re.IGNORECASE)
_HEADINGS = {
    "person", "people", "image", "images", "model", "garment", "garments", "cloth", "clothes", "clothing", "product",
    "category", "person_image", "cloth_image", "garment_image", "im_name", "c_name",
}  # fmt: skip


class Row(NamedTuple):
    """One row: the stems of the person's and the garment's image, and the third column, "" without one."""

    person: str
    garment: str
    category: str


class Names:
    """The stems that images have, found by the spelling in a list."""

    def __init__(self, stems: Iterable[str]) -> None:
        self._stems = frozenset(stems)
        folded: dict[str, str] = {}
        for stem in sorted(self._stems):
            key = stem.casefold()
            folded[key] = "" if key in folded else stem  # two that differ by case alone are told apart by it alone
        self._folded = folded

    def find(self, name: str) -> str:
        """Return the stem that ``name``, perhaps behind folders, stands for; "" if no image has it."""
        parts = name.split("/")
        tails = ["/".join(parts[start:]) for start in range(len(parts))]
        exact = next((tail for tail in tails if tail in self._stems), "")
        return exact or next((stem for tail in tails if (stem := self._folded.get(tail.casefold(), ""))), "")


@dataclass(frozen=True)
class Known:
    """The images that a list may name."""

    people: Names
    garments: Names


_NOTHING = Known(Names(()), Names(()))


def list_split(name: str) -> Split | None:
    """Return the split whose pairs a file of this name lists, None for other files."""
    match = _LIST.match(name)
    return None if match is None else "train" if match[1].lower() == "train" else "val"


def is_unpaired_list(path: str) -> bool:
    """Return whether a list says by its name that its people wear other garments."""
    return _UNPAIRED.search(path.rpartition("/")[2]) is not None


def stem_of(name: str) -> str:
    """Return a name's stem, with its folders, in composed Unicode; only an image's suffix is removed."""
    name = normal(name.strip()).replace("\\", "/")
    stem, suffix = splitext(name)
    return stem if suffix.lower() in IMAGE_SUFFIXES else name


def read_list(files: Files, path: str, found: Tally, known: Known = _NOTHING) -> Iterator[Row]:
    """Yield the distinct rows of a list; unusable and repeated rows are counted in ``found``.

    Raise UserError if the list cannot be read.
    """
    try:
        texts = readings(files.read(path))
    except RecordError as error:
        raise UserError(f"{files.place(path)}: not a text file of pairs ({error}); fetch the file again") from error
    if not texts:
        raise UserError(f"{files.place(path)}: not a text file of pairs; save it as plain text in UTF-8")
    divided = [([*_rows(text, known)], fault) for text, fault in texts]
    rows, fault = max(divided, key=lambda reading: sum(row.images for row in reading[0]))  # on a tie the first
    if fault and fault is not Fault.UTF_8_BOM:
        found.note(fault, path)
    seen: set[Row] = set()
    for line in rows:
        where = f"{path}, line {line.number}"
        if line.row is None:
            found.note(Fault.BAD_PAIR, where)
        elif line.row in seen:
            found.note(Fault.REPEATED_PAIR, where)
        else:
            seen.add(line.row)
            yield line.row


class _Line(NamedTuple):
    number: int
    row: Row | None
    images: int
    """How many of its two names have an image"""


def _rows(text: str, known: Known) -> Iterator[_Line]:
    """Yield every line that is neither blank nor a heading."""
    first = True
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        if len(line) > _LONGEST_LINE:
            yield _Line(number, None, 0)
            continue
        divisions = [*_divisions(line)]
        row, images = _best(divisions, known)
        if images < 2:  # then a space may be part of a name
            spaced, both = _best([*_spaced(line.strip())], known)
            row, images = (spaced, both) if both == 2 else (row, images)
        if not (first and not images and any(_is_heading(columns) for columns in divisions)):
            yield _Line(number, row, images)
        first = False


def _best(divisions: list[list[str]], known: Known) -> tuple[Row | None, int]:
    """Return the row of the division with most images, on a tie of the first, and how many it has."""
    rows = [_resolved(columns, known) for columns in divisions if len(columns) in (2, 3)]
    usable = [entry for entry in rows if entry[0] is not None]
    return max(usable, key=lambda entry: entry[1], default=(None, 0))


def _divisions(line: str) -> Iterator[list[str]]:
    """Yield the ways to divide a line into columns, the likeliest first."""
    for delimiter in ("\t", ";", ","):
        if delimiter in line:
            yield _quoted(line, delimiter)
    if '"' in line or "'" in line:
        for quote in ('"', "'"):
            yield _quoted(line.strip(), " ", quote)
    yield line.split()


def _spaced(line: str) -> Iterator[list[str]]:
    """Yield every way to divide a line at one space, also before a last column without one."""
    for match in re.finditer(r"\s+", line):
        first, rest = line[: match.start()].strip("\"'"), line[match.end() :]
        yield [first, rest.strip("\"'")]
        head, _, last = rest.rpartition(" ")
        if head:
            yield [first, head.strip("\"'"), last]


def _quoted(line: str, delimiter: str, quote: str = '"') -> list[str]:
    columns = next(csv.reader([line], delimiter=delimiter, quotechar=quote, skipinitialspace=True))
    if delimiter in "\t ":
        columns = [column for column in columns if column.strip()]
    while columns and not columns[-1].strip():
        columns.pop()
    return [column.strip() for column in columns]


def _resolved(columns: list[str], known: Known) -> tuple[Row | None, int]:
    """Return the row with its names as their images have them, and how many have an image."""
    names = [stem_of(column) for column in columns[:2]]
    stems = [names_of.find(name) for names_of, name in zip((known.people, known.garments), names, strict=True)]
    resolved = [stem or name.rpartition("/")[2] for stem, name in zip(stems, names, strict=True)]
    if not all(is_usable_stem(stem) for name in resolved for stem in name.split("/")):
        return None, 0
    return Row(resolved[0], resolved[1], columns[2] if len(columns) == 3 else ""), sum(map(bool, stems))


def _is_heading(columns: list[str]) -> bool:
    return len(columns) > 1 and all(column.lower() in _HEADINGS for column in columns[:2])

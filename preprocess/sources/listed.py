"""Shared by VITON-HD and Dress Code: files of people and garments by group and stem, and lists of pairs.

Stems are unique within a group: a split's folder of VITON-HD, a category of Dress Code. A list may pair a person with
another person's garment (an unpaired try-on). No image shows that, so such a row is replaced by the person with the
garment that is worn.

A list is a text file with one pair per row, in columns separated by spaces or tabs. Its name is `train_pairs.txt`,
`test_pairs.txt`, `test_pairs_paired.txt`, `test_pairs_unpaired.txt`, or one of these with `val` or `valid`. A row is
PERSON GARMENT or PERSON GARMENT CATEGORY. Folders before the names, blank lines, a missing newline at the end and a
byte order mark are accepted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from os.path import splitext
from typing import Literal, NamedTuple, get_args

from common.errors import UserError
from preprocess.faults import Exclusion, Fault, RecordError, Tally
from preprocess.label_tables import Pixelwise
from preprocess.sources.aihub_names import is_usable_stem
from preprocess.sources.files import Files, normal
from preprocess.sources.record import UNWANTED_GARMENT, Record
from schemas import Garment, Pairing, Source, Split, Views

Kind = Literal["person-image", "person-pose", "person-parse", "product-image", "product-parse"]
KINDS: tuple[Kind, ...] = get_args(Kind)

PICTURES = (".jpg", ".jpeg", ".png")

_LIST = re.compile(r"^(train|test|val|valid|validation)_?[a-z]*_?pairs.*\.txt$", re.IGNORECASE)


class Pair(NamedTuple):
    """A person in the worn garment, by group and stem, and their ids in the record."""

    split: Split
    group: str
    person: str
    product: str
    look: str
    frame: str
    item: str
    garment: Garment


@dataclass
class Listed:
    """A dataset with lists of pairs, its faults with examples, and what the options excluded."""

    source: Source
    files: Files
    labels: Pixelwise
    needs: tuple[Kind, ...]
    """Kinds of files that every pair must have"""
    paths: dict[Kind, dict[tuple[str, str], str]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    """Kind → (group, stem) → path"""
    pairs: dict[tuple[str, str, str, str], Pair] = field(default_factory=dict)
    """By split, group and stems; in the order of the lists"""
    found: Tally = field(default_factory=Tally)
    excluded: Counter[Exclusion] = field(default_factory=Counter)

    @property
    def left_out(self) -> dict[str, int]:
        """Code → count: of every fault, and of every exclusion by the options."""
        return {str(code): count for code, count in (*self.found.counts.items(), *self.excluded.items())}

    def add_file(self, kind: Kind, group: str, stem: str, path: str) -> None:
        """Add a file; if two have the same name, the first is used."""
        if self.paths[kind].setdefault((group, stem), path) != path:
            self.found.note(Fault.OLDER_DUPLICATE, path)

    def add_pair(self, pair: Pair) -> None:
        """Add a pair unless it is already present: several lists may name the same pair."""
        self.pairs.setdefault((pair.split, pair.group, pair.person, pair.product), pair)

    def path(self, kind: Kind, group: str, stem: str) -> str:
        """Return a file's path, "" if it is missing."""
        return self.paths[kind].get((group, stem), "")

    def records(
        self, garment: Garment | Literal["all"], pairing: Pairing | Literal["both"], _views: Views
    ) -> Iterator[Record]:
        """Yield a record for every selected pair; all views are front views, and every person has one frame."""
        if pairing == "view":
            return
        for pair in self.pairs.values():
            if garment not in ("all", pair.garment):
                self.excluded[UNWANTED_GARMENT[pair.garment]] += 1
                continue
            yield Record(
                part=pair.split,
                split=pair.split,
                look=pair.look,
                frame=pair.frame,
                item=pair.item,
                side="F",
                garment=pair.garment,
                view="front",
                pairing="item",
                person_image=self.path("person-image", pair.group, pair.person),
                person_pose=self.path("person-pose", pair.group, pair.person),
                person_parse=self.path("person-parse", pair.group, pair.person),
                product_image=self.path("product-image", pair.group, pair.product),
                product_pose="",
                product_parse=self.path("product-parse", pair.group, pair.product),
                labels=self.labels,
            )


class Row(NamedTuple):
    """One row: the stems of the person's and the garment's image, and the third column, "" without one."""

    person: str
    garment: str
    category: str


def list_split(name: str) -> Split | None:
    """Return the split whose pairs a file of this name lists, None for other files."""
    match = _LIST.match(name)
    return None if match is None else "train" if match[1].lower() == "train" else "val"


def read_list(files: Files, path: str, found: Tally) -> Iterator[Row]:
    """Yield the distinct rows of a list; unusable and repeated rows are counted in ``found``.

    Raise UserError if the list cannot be read.
    """
    seen: set[Row] = set()
    try:
        text = files.read(path).decode("utf-8-sig")
    except (RecordError, UnicodeDecodeError) as error:
        raise UserError(f"{files.root / path}: not a text file of pairs ({error}); fetch the file again") from error
    for number, line in enumerate(text.splitlines(), 1):
        columns = line.split()
        if not columns:
            continue
        stems = [splitext(normal(name).replace("\\", "/").rpartition("/")[2])[0] for name in columns[:2]]
        if len(columns) not in (2, 3) or not all(is_usable_stem(stem) for stem in stems):
            found.note(Fault.BAD_PAIR, f"{path}, line {number}")
            continue
        row = Row(stems[0], stems[1], columns[2] if len(columns) == 3 else "")
        if row in seen:
            found.note(Fault.REPEATED_PAIR, f"{path}, line {number}")
        else:
            seen.add(row)
            yield row

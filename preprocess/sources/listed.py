"""Shared by VITON-HD and Dress Code: files of people and garments by group and stem, and lists of pairs.

Stems are unique within a group: a split's folder of VITON-HD, a category of Dress Code. A list may pair a person with
another person's garment (an unpaired try-on). No image shows that, so such a row is replaced by the person with the
garment that is worn, unless it is asked for as it is, for inference; see `worn_garments`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from preprocess.faults import Exclusion, Fault, Tally
from preprocess.label_tables import Pixelwise
from preprocess.sources.files import Files
from preprocess.sources.record import UNWANTED_GARMENT, Record
from schemas import Garment, Pairing, Source, Split, Views

Kind = Literal["person-image", "person-pose", "person-parse", "product-image", "product-parse"]
KINDS: tuple[Kind, ...] = get_args(Kind)


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
    worn: bool = True
    """Whether the person's image shows the garment; if not, the pair is for inference"""


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
    lists: list[str] = field(default_factory=list)
    """Paths of the lists of pairs"""
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
        known = self.pairs.setdefault((pair.split, pair.group, pair.person, pair.product), pair)
        if pair.worn and not known.worn:
            self.pairs[pair.split, pair.group, pair.person, pair.product] = pair

    def stems(self, kind: Kind, groups: Sequence[str]) -> list[str]:
        """Return the stems of a kind's files in some groups."""
        return [stem for group, stem in self.paths[kind] if group in groups]

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
                layout="dress-code" if self.source == "dress-code" else "",
                worn=pair.worn,
            )

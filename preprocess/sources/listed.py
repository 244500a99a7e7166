"""What VITON-HD and Dress Code have in common: files of people and garments by a group and a stem, and lists of pairs.

A group is what stems are unique in: a split's folder of VITON-HD, a category of Dress Code. A list may pair somebody
with somebody else's garment, to be dressed in it (`unpaired-row`). Nobody wears that one in any picture, so of such a
row the person in the own garment is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from preprocess.label_tables import Pixelwise
from preprocess.sources.counts import Tally
from preprocess.sources.files import Files
from preprocess.sources.record import Record
from schemas import Garment, Pairing, Source, Split, Views

Kind = Literal["person-image", "person-pose", "person-parse", "product-image", "product-parse"]
KINDS: tuple[Kind, ...] = get_args(Kind)

PICTURES = (".jpg", ".jpeg", ".png")


class Pair(NamedTuple):
    """Somebody in the own garment: who and what by group and stem, and what the record calls them."""

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
    """A data set with lists of pairs, and what was left out on the way, with examples."""

    source: Source
    files: Files
    labels: Pixelwise
    needs: tuple[Kind, ...]
    """What a pair has to have a file of"""
    paths: dict[Kind, dict[tuple[str, str], str]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    """Kind → (group, stem) → path"""
    pairs: dict[tuple[str, str, str, str], Pair] = field(default_factory=dict)
    """By split, group and stems; in the order of the lists"""
    found: Tally = field(default_factory=Tally)

    @property
    def left_out(self) -> dict[str, int]:
        """The number of times each kind of thing was left out."""
        return dict(self.found.counts)

    def add_file(self, kind: Kind, group: str, stem: str, path: str) -> None:
        """Add a file; of two with one name the first one counts."""
        if self.paths[kind].setdefault((group, stem), path) != path:
            self.found.note("older-duplicate", path)

    def add_pair(self, pair: Pair) -> None:
        """Add a pair unless it is there already: several lists name the same pairs."""
        self.pairs.setdefault((pair.split, pair.group, pair.person, pair.product), pair)

    def path(self, kind: Kind, group: str, stem: str) -> str:
        """Return a file's path, "" where it is missing."""
        return self.paths[kind].get((group, stem), "")

    def records(
        self, garment: Garment | Literal["all"], pairing: Pairing | Literal["both"], _views: Views
    ) -> Iterator[Record]:
        """Yield a record for every wanted pair; all views are front views, and nobody is seen in two frames."""
        if pairing == "view":
            return
        for pair in self.pairs.values():
            if garment not in ("all", pair.garment):
                self.found.counts[f"{pair.garment}-garment"] += 1
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

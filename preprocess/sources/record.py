"""The record that a source yields: one pair of a person and a garment, as paths and ids."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from preprocess.faults import Exclusion, Fault
from preprocess.label_tables import Labels
from schemas import LONGEST_KEY, Garment, Pairing, Split, View

_DIGITS = 12
"""Hexadecimal digits of the digest in a key: two of a million records have the same with a chance of 1 in 500."""
_KEPT = 60
"""Characters of the ids in a key with a digest."""

Subject = Literal["person", "product"]
File = Literal["image", "pose", "parse"]

MISSING: dict[tuple[Subject, File], Fault] = {
    ("person", "image"): Fault.MISSING_PERSON_IMAGE,
    ("person", "pose"): Fault.MISSING_PERSON_POSE,
    ("person", "parse"): Fault.MISSING_PERSON_PARSE,
    ("product", "image"): Fault.MISSING_PRODUCT_IMAGE,
    ("product", "pose"): Fault.MISSING_PRODUCT_POSE,
    ("product", "parse"): Fault.MISSING_PRODUCT_PARSE,
}
"""The fault of a record that lacks one of its files."""

UNWANTED_GARMENT: dict[Garment, Exclusion] = {
    "upper": Exclusion.UPPER_GARMENT,
    "lower": Exclusion.LOWER_GARMENT,
    "dress": Exclusion.DRESS_GARMENT,
}
"""How a pair is counted if --garment selects another kind."""


class Product(NamedTuple):
    """The files of one image; paths relative to the dataset, "" if a file is missing."""

    image: str
    pose: str
    parse: str


@dataclass(frozen=True, slots=True)
class Record:
    """One pair, which becomes one sample. Paths are relative to the dataset; "" if the file is missing."""

    part: Split
    """The dataset's own split of the pair"""
    split: Split
    """The split it is used in: `part`, unless that would leak (see `splits`)"""
    look: str
    frame: str
    item: str
    side: str
    """F or B of a product photograph, or the frame that the garment is cut out of"""
    garment: Garment
    view: View
    pairing: Pairing
    person_image: str
    person_pose: str
    person_parse: str
    product_image: str
    """The garment's image: a product photograph, or another frame of the look; likewise its pose and parse"""
    product_pose: str
    product_parse: str
    beneath_image: str = ""
    """The product photograph of the top listed beneath this one, used to tell the layers apart"""
    beneath_parse: str = ""
    layers: int = 1
    """Number of tops listed"""
    labels: Labels = "aihub"
    """Label table of the person's parse; all but AI-Hub's are label maps, and their garments have no landmarks"""
    layout: Literal["", "dress-code", "table"] = ""
    """Dress Code's layout has no garment masks, and keypoints on a grid of its own; whatever its label table. A table
    may lack any label, and its garments may have masks or polygons, whatever the people have"""

    worn: bool = True
    """Whether the person's image shows the garment; a record for inference has no image that does"""
    agnostic_mask: str = ""
    """A mask of what Ia hides, made by hand and used instead of the rule; see `conditioning.conditions`"""
    distinct: bool = False
    """Whether the key gets a digest, as another record would have the same key; see `planning.plan`"""

    @property
    def key(self) -> str:
        """The sample's name: without dots, and short enough for a tar.

        It is the record's ids, with '-' for other characters than letters, digits, '_' and '-'. Long and non-ASCII ids
        would be cut or become a row of '-', so these keys end in a digest of the ids.
        """
        ids = f"{self.part}_{self.look}_{self.frame}_{self.item}_{self.side}"
        key = re.sub(r"[^A-Za-z0-9_-]", "-", ids)
        if len(key) <= LONGEST_KEY and ids.isascii() and not self.distinct:
            return key
        parts = [self.part, self.look, self.frame, self.item, self.side]
        if self.distinct:
            parts += [self.person_image, self.product_image]
        digest = hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()  # no id has a NUL
        return f"{key[:_KEPT]}-{digest[:_DIGITS]}"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Paths of all files that the sample is made from."""
        beneath = (self.beneath_image, self.beneath_parse) if self.layers > 1 else ()
        return (
            self.person_image, self.person_pose, self.person_parse,
            self.product_image, self.product_pose, self.product_parse, *beneath,
            *([self.agnostic_mask] if self.agnostic_mask else []),
        )  # fmt: skip

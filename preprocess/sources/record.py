"""What a source yields: one pair of a person and a garment, as paths and ids."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from preprocess.faults import Exclusion, Fault
from preprocess.label_tables import Labels
from schemas import Garment, Pairing, Split, View

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
"""What a pair is counted as where --garment asks for another kind."""


class Product(NamedTuple):
    """The files of one image; paths relative to the dataset, "" where a file is missing."""

    image: str
    pose: str
    parse: str


@dataclass(frozen=True, slots=True)
class Record:
    """One pair that is to become one sample. Paths are relative to the dataset; "" where the file is missing."""

    part: Split
    """The part of the dataset that it is from"""
    split: Split
    """What it is used for: its part's, unless it would leak (see `splits`)"""
    look: str
    frame: str
    item: str
    side: str
    """F or B of a product photograph; the frame that the garment is cut out of"""
    garment: Garment
    view: View
    pairing: Pairing
    person_image: str
    person_pose: str
    person_parse: str
    product_image: str
    """The garment's image: a product photograph, or another frame of the look; so are its pose and parse"""
    product_pose: str
    product_parse: str
    beneath_image: str = ""
    """The product photograph of the top listed beneath this one, to tell the layers by"""
    beneath_parse: str = ""
    layers: int = 1
    """How many tops are listed"""
    labels: Labels = "aihub"
    """How the person's parse is labelled; all but AI-Hub's are label maps, and their garments have no landmarks"""

    @property
    def key(self) -> str:
        """The sample's name: unique in the dataset, without dots."""
        return re.sub(r"[^A-Za-z0-9_-]", "-", f"{self.part}_{self.look}_{self.frame}_{self.item}_{self.side}")

    @property
    def inputs(self) -> tuple[str, ...]:
        """All paths that the sample is made from."""
        beneath = (self.beneath_image, self.beneath_parse) if self.layers > 1 else ()
        return (
            self.person_image, self.person_pose, self.person_parse,
            self.product_image, self.product_pose, self.product_parse, *beneath,
        )  # fmt: skip

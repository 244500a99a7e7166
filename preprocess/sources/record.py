"""What a source yields: one pair of a person and a garment, as names of files and ids."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from schemas import Garment, Split, View


@dataclass(frozen=True, slots=True)
class Record:
    """One pair that is to become one sample. Paths are relative to the data set; "" where the file is missing."""

    split: Split
    look: str
    frame: str
    item: str
    side: Literal["F", "B"]
    garment: Garment
    view: View
    person_image: str
    person_pose: str
    person_parse: str
    product_image: str
    product_pose: str
    product_parse: str

    @property
    def key(self) -> str:
        """The sample's name: unique in the data set, without dots."""
        return re.sub(r"[^A-Za-z0-9_-]", "-", f"{self.split}_{self.look}_{self.frame}_{self.item}_{self.side}")

    @property
    def inputs(self) -> tuple[str, ...]:
        """All paths that the sample is made from."""
        return (
            self.person_image, self.person_pose, self.person_parse,
            self.product_image, self.product_pose, self.product_parse,
        )  # fmt: skip

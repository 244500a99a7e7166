"""An image with a label for every pixel, drawn or estimated; regions are numbered as in AI-Hub 78."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from preprocess.label_tables import AIHUB_ITEM, AIHUB_MODEL

BACKGROUND: Final = 255
"""The label of a pixel that shows neither person nor garment."""

MODEL_REGIONS: Final = tuple(AIHUB_MODEL.values())
"""Names of the regions of an image of a person; a name's place is its number (category_id)."""

ITEM_REGIONS: Final = tuple(AIHUB_ITEM.values())
"""The same for a product image."""

Subject = Literal["model", "item"]


@dataclass(frozen=True)
class Drawing:
    """An image with drawn or estimated labels of every pixel."""

    image: NDArray[np.uint8]
    """(h, w, 3) RGB; drawn ones (1280, 720, 3)"""
    labels: NDArray[np.uint8]
    """(h, w), number of the region that is visible, 255 where there is none"""
    keypoints: NDArray[np.float64]
    """(17, 3): x and y in pixels, and 0 absent (x = y = 0), 1 occluded, 2 visible; COCO's order"""
    view_point: int
    """0 front, 1 back, -1 side"""
    quality: int | None = None
    """Of the JPEG file, None for the usual one"""


def region(name: str, subject: Subject = "model") -> int:
    """Return the number of a region of an image of a person (``model``) or of a product (``item``)."""
    return (MODEL_REGIONS if subject == "model" else ITEM_REGIONS).index(name)

"""Optional members of a sample: what the pixels of Ia show, what it hides, and where the garment is on the person."""

from __future__ import annotations

from collections.abc import Collection

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.conditions import PersonSide, Subject
from preprocess.conditioning.crop import photo_area
from preprocess.conditioning.layers import outermost
from preprocess.conditioning.masks import Box
from preprocess.conditioning.regions import pixels_of
from preprocess.formats.images import Mask
from schemas import MID_GREY, Extra, Garment

_ON = np.uint8(255)


def extra_masks(
    person: Subject, side: PersonSide, garment: Garment, wanted: Collection[Extra]
) -> dict[Extra, NDArray[np.uint8]]:
    """Return the wanted members, uint8 of the size of Ia; `schemas.members` says what their values mean."""
    size = side.Ia.shape[0]
    masks: dict[Extra, NDArray[np.uint8]] = {}
    if "regions" in wanted:
        masks["regions"] = np.asarray(cv2.resize(side.labels, (size, size), interpolation=cv2.INTER_NEAREST), np.uint8)
    if "hidden" in wanted:
        hidden: Mask = (side.Ia == MID_GREY).all(axis=2)
        inside = scaled_photo_area(person, side, size)
        masks["hidden"] = np.zeros((size, size), np.uint8)
        masks["hidden"][inside] = hidden[inside] * _ON
    if "worn" in wanted:
        worn = pixels_of(side.labels, outermost(person.parse, garment)).view(np.uint8) * _ON
        share = np.asarray(cv2.resize(worn, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
        masks["worn"] = (share > _ON // 2) * _ON
    return masks


def scaled_photo_area(person: Subject, side: PersonSide, size: int) -> Box:
    """Return the rows and columns of the crop, scaled to ``size``, that the photograph fills."""
    rows, columns = photo_area(side.crop, person.size)
    inner = (
        slice(-(-part.start * size // side.crop.side), part.stop * size // side.crop.side) for part in (rows, columns)
    )
    top_down, left_right = inner
    return top_down, left_right

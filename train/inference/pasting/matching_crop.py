"""Where a sample's square lies in a photograph: checked against the pixels that the sample holds.

A photograph may be larger than the image that `prep` cropped (annotated photographs have at most 2048 pixels), and
`prep` turns images whose labels are for the upright one. What fits is found by comparing pixels, and a wrong file is
refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.errors import UserError
from schemas import SourceImage
from train.data.shards import Pixels
from train.inference.pasting.originals import Original
from train.inference.pasting.paste_back import Region, framed, resized
from train.inference.pasting.person_regions import PersonRegions

_COMPARED = 32
"""Side in pixels at which photograph and sample are compared."""
_ROUNDING = 1.0
"""Difference in pixels between the scaled photograph's size and the image's: both sides were rounded."""
_LARGEST_CROP = 2
"""Largest side of a crop in sides of its image; `prep` rejects labels with a larger one."""
_ALIKE = 8.0
"""Largest mean difference, of 255 levels, of a photograph and its crop: JPEG, colour profiles and scaling cost less."""


@dataclass(frozen=True)
class Placed:
    """A photograph turned as `prep` turned it, the region of the sample's square, and the turn that it took."""

    original: Original
    region: Region
    quarters: int
    regions: PersonRegions | None = None
    """Where the sample's square shows the person, if its label map is at hand"""


def place(original: Original, picture: SourceImage, person: Pixels) -> Placed:
    """Return where the sample's person, ``person`` (n, n, 3), lies in the photograph.

    Raise UserError if it is not the one that the sample was made of.
    """
    found: list[tuple[float, int, Region]] = []
    crop = picture.crop
    overlaps = -crop.side < crop.x < picture.width and -crop.side < crop.y < picture.height
    if not overlaps or crop.side > _LARGEST_CROP * max(picture.width, picture.height):
        raise UserError(
            f"{original.where}: the sample's crop is not of {picture.width}x{picture.height} pixels; "
            "build the shards again"
        )
    for quarters in (0, 3, 1, 2):
        size = original.size if quarters % 2 == 0 else original.size[::-1]
        scale = size[0] / picture.width, size[1] / picture.height
        if abs(size[0] / scale[1] - picture.width) > _ROUNDING and abs(size[1] / scale[0] - picture.height) > _ROUNDING:
            continue
        region = Region.of(picture.crop, scale)
        turned = np.asarray(np.rot90(original.seen, quarters), np.uint8)  # a view
        found.append((_difference(turned, region, picture, person), quarters, region))
    difference, quarters, region = min(found, key=lambda one: one[0], default=(np.inf, 0, Region(0, 0, 1, 1)))
    if difference > _ALIKE:
        raise UserError(
            f"{original.where}: not the photograph of {picture.width}x{picture.height} pixels that the sample was made "
            "of; give the folder that the shards were built from"
        )
    return Placed(original.turned(quarters), region, quarters)


def _difference(photograph: Pixels, region: Region, picture: SourceImage, person: Pixels) -> float:
    """Return the mean difference of the region from ``person`` inside of the photograph."""
    small = square_of(photograph, region, _COMPARED).astype(np.float32)
    rows, columns = _inside(picture)
    return float(np.abs(small - resized(person, (_COMPARED, _COMPARED)))[rows, columns].mean())


def _inside(picture: SourceImage) -> tuple[slice, slice]:
    left, top, right, bottom = (round(edge * _COMPARED) for edge in picture.photo_box)
    return slice(top, max(bottom, top + 1)), slice(left, max(right, left + 1))


def square_of(photograph: Pixels, region: Region, size: int) -> Pixels:
    """Return the region of a photograph at ``size``² pixels, mid-grey beyond the photograph."""
    return resized(framed(photograph, region), (size, size))

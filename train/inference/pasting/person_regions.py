"""Where a photograph shows the person, and bare arms, as its label map says; read again from the labels' own file.

Shards hold no label map. The file is in the folder that they were built from; without it pasting goes by colours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from PIL import Image

from common.imaging.decoding import UnreadableImageError, opened
from schemas import Keypoint, SourceImage
from train.inference.pasting.agreement import Mask, Pose

_ARMS: Final = {
    "left_arm": (Keypoint.LEFT_SHOULDER, Keypoint.LEFT_ELBOW, Keypoint.LEFT_WRIST),
    "right_arm": (Keypoint.RIGHT_SHOULDER, Keypoint.RIGHT_ELBOW, Keypoint.RIGHT_WRIST),
}
"""The regions of bare arms in AI-Hub's label files, and their joints."""
_SHOULDER, _ELBOW = 0.3, 0.1
"""Shares of the upper arm that a garment without sleeves may cover, and of the forearm that short sleeves may."""
_FIXED: Final = 4
"""Binary digits of a pixel in coordinates of polygons."""
_FEWEST: Final = 6
"""Numbers of a polygon of three corners."""
_FARTHEST: Final = 1 << 20
"""Largest distance of a corner from the square, in its pixels; one farther away is moved there."""
_NO_LABELS: Final = (
    UnreadableImageError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, cv2.error,
)  # fmt: skip
"""Errors of files that are no label map of the picture."""
_BOX: Final = 0.04
"""Margin of the box that Ia hides around the person, as a share of the side, and by what labels may be off."""
_INSIDE, _ON_PERSON = 0.9, 0.05
"""Least shares of the hidden cells that lie in that box, and on the person."""
_AROUND: Final = 0.6
"""Largest share of the person around the box that is hidden. Where a mask of the user's own hides a part of the person,
the body goes on there, but the room is there too; a map that was read wrongly has the person all around."""
_WHOLE, _FRAME = 0.95, 0.75
"""Largest shares of a photograph, and of its border, that a person fills in a label map that was read rightly."""
_NUMBERS: Final = ("1", "L", "I;16", "I;16B", "I;16L", "I")
"""Pillow's modes of images whose pixels are numbers."""
_LOSSLESS: Final = ("PNG", "BMP", "GIF", "TIFF", "PPM")
"""Formats that keep a label map's numbers; JPEG averages them."""


class PersonRegions(NamedTuple):
    """Masks (n, n) of a sample's square."""

    person: Mask
    arms: dict[str, Mask]
    """Bare skin of each arm, by AI-Hub's name; only AI-Hub's label files, which `prep annotate` writes too, have it"""

    photo: tuple[slice, slice]
    """Rows and columns that lie inside of the photograph"""

    def fits(self, hidden: Mask) -> bool:
        """Return whether Ia is likely made of this label map: it hides the person, and little beyond the box.

        Single pixels of a photograph may be mid-grey by chance. With a mask of the user's own Ia may hide less.
        """
        rows, columns = np.flatnonzero(self.person.any(axis=1)), np.flatnonzero(self.person.any(axis=0))
        hides = np.zeros_like(hidden)
        hides[self.photo] = hidden[self.photo]
        if not rows.size or not hides.any():
            return False
        margin = round(_BOX * len(hidden))
        top, left = max(0, int(rows[0]) - margin), max(0, int(columns[0]) - margin)
        inside = hides[top : rows[-1] + 1 + margin, left : columns[-1] + 1 + margin].sum()
        if inside < _INSIDE * hides.sum() or (hides & self.person).sum() < _ON_PERSON * hides.sum():
            return False
        return self._around(hides, margin) <= _AROUND

    def _around(self, hides: Mask, margin: int) -> float:
        """Return the person's share of a strip around the box of the hidden cells, but for single ones."""
        patches = cv2.morphologyEx(hides.view(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        left, top, width, height = cv2.boundingRect(patches)
        strip, inside = np.zeros_like(hides), np.zeros_like(hides)
        strip[max(0, top - margin) : top + height + margin, max(0, left - margin) : left + width + margin] = True
        strip[top : top + height, left : left + width] = False
        inside[self.photo] = True
        strip &= inside
        return float(self.person[strip].mean()) if strip.any() else 0.0


def read_regions(data: bytes, picture: SourceImage, side: int) -> PersonRegions | None:
    """Return the regions in the picture's crop, at ``side``² pixels; None if this is no label map of that picture."""
    try:
        if data[:1].isspace() or data[:1] in b"{\xef":
            return _of_polygons(json.loads(data), picture, side)
        return _of_image(data, picture, side)
    except _NO_LABELS:
        return None


def bare_arms(regions: PersonRegions, Jp: Pose, Jg: Pose) -> Mask:
    """Return the bare skin of the arms (n, n) that the garment does not cover, by how far its own pose Jg reaches.

    A garment's wrists are there if it has long sleeves, its elbows with short ones, neither without sleeves.
    """
    bare = np.zeros_like(regions.person)
    for name, arm in regions.arms.items():
        shoulder, elbow, wrist = _ARMS[name]
        if Jg[wrist, 2] > 0 or not (Jp[[shoulder, elbow], 2] > 0).all():
            continue
        points = Jp[:, :2] * len(arm) - 0.5
        along, away = _along(points[shoulder], points[elbow], len(arm))
        if Jp[wrist, 2] > 0:
            beyond, away_beyond = _along(points[elbow], points[wrist], len(arm))
            forearm = (away_beyond < away) & (beyond > _ELBOW)
        else:
            forearm = along > 1 + _ELBOW
        bare |= arm & (forearm if Jg[elbow, 2] > 0 else forearm | (along > _SHOULDER))
    return bare


def _along(start: Any, end: Any, side: int) -> tuple[Any, Any]:
    """Return each cell's place along the line, 0 at its start and 1 at its end, and its distance from it in cells."""
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    cells = np.dstack([columns, rows]) - start
    line = end - start
    along = cells @ line / max(float(line @ line), 1e-6)
    return along, np.linalg.norm(cells - np.clip(along, 0, 1)[..., None] * line, axis=2)


def _of_polygons(parse: dict[str, Any], picture: SourceImage, side: int) -> PersonRegions | None:
    """Read AI-Hub's label file: polygons of named regions."""
    width, height = int(parse["image_size"]["width"]), int(parse["image_size"]["height"])
    if (width, height) != (picture.width, picture.height):
        return None
    person = np.zeros((side, side), np.uint8)
    arms = {name: np.zeros_like(person) for name in _ARMS}
    for region in (value for name, value in parse.items() if name.startswith("region")):
        for corners in _polygons(region["segmentation"], picture, side):
            for mask in (person, *(arms[name] for name in _ARMS if name == region["category_name"])):
                cv2.fillPoly(mask, [corners], (1,), shift=_FIXED)
    return PersonRegions(
        person.astype(np.bool_), {name: arm.astype(np.bool_) for name, arm in arms.items()}, _photo(picture, side)
    )


def _polygons(segmentation: list[Any], picture: SourceImage, side: int) -> Iterator[Any]:
    """Yield the corners of a region's polygons; one that is none is skipped. A flat list of numbers is one polygon."""
    flat = bool(segmentation) and isinstance(segmentation[0], int | float)
    for polygon in [segmentation] if flat else segmentation:
        corners = _corners(polygon, picture, side)
        if corners is not None:
            yield corners


def _corners(polygon: Any, picture: SourceImage, side: int) -> Any:
    """Return a polygon's corners in the square's pixels, with `_FIXED` binary digits; None if it is no polygon."""
    try:
        numbers = np.asarray(polygon, np.float64).ravel()
    except (ValueError, TypeError, OverflowError):
        return None
    if len(numbers) < _FEWEST or len(numbers) % 2 or not np.isfinite(numbers).all():
        return None
    crop = picture.crop
    scaled = (numbers.reshape(-1, 2) - (crop.x, crop.y)) * (side / crop.side) - 0.5
    return np.rint(np.clip(scaled, -_FARTHEST, _FARTHEST) * (1 << _FIXED)).astype(np.int32)


def _of_image(data: bytes, picture: SourceImage, side: int) -> PersonRegions | None:
    """Read a label map stored as an image; None if it does not say for sure which pixels are the background."""
    with opened(data) as image:
        if image.size != (picture.width, picture.height) or image.format not in _LOSSLESS:
            return None
        found = _labelled(image)
    if found is None or found.mean() > _WHOLE or _border(found).mean() > _FRAME:
        return None
    crop = picture.crop
    move = np.array([[1, 0, -crop.x], [0, 1, -crop.y]], np.float64) * (side / crop.side)
    move[:, 2] += (side / crop.side - 1) / 2
    square = cv2.warpAffine(found.view(np.uint8), move, (side, side), flags=cv2.INTER_NEAREST)
    return PersonRegions(np.asarray(square, np.bool_), {}, _photo(picture, side))


def _labelled(image: Image.Image) -> Mask | None:
    """Return where an image of labels shows the person; None if its kind holds no labels.

    The background has number 0, or is black in a painted map, of which programs renumber the palette.
    """
    labels = np.asarray(image)
    if image.mode in ("RGB", "RGBA", "RGBX", "RGBa"):
        return np.asarray(labels[..., :3].any(axis=2), np.bool_)
    if image.mode in ("P", "PA"):
        numbers = labels[..., 0] if labels.ndim == 3 else labels
        background = _background(numbers, image.getpalette("RGB") or [])
        return None if background is None else np.asarray(numbers != background, np.bool_)
    if image.mode in ("LA", "La"):
        return np.asarray(labels[..., 0] != 0, np.bool_)
    return np.asarray(labels != 0, np.bool_) if image.mode in _NUMBERS else None


def _background(numbers: Any, palette: list[int]) -> int | None:
    """Return the background's number by the palette: 0, or the only black one of those used; None if several are."""
    colours = np.reshape(palette, (-1, 3))
    used = np.unique(numbers)
    used = used[used < len(colours)]
    black = used[~colours[used].any(axis=1)].tolist()
    if not black or 0 in black:
        return 0
    return int(black[0]) if len(black) == 1 else None


def _border(mask: Mask) -> Mask:
    """Return the outermost pixels of a mask, one after the other."""
    return np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])


def _photo(picture: SourceImage, side: int) -> tuple[slice, slice]:
    left, top, right, bottom = (round(edge * side) for edge in picture.photo_box)
    return slice(top, bottom), slice(left, right)

"""Label maps and masks of a crop: the region of the person or garment that each pixel shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import count

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.formats.aihub_json import Parse, Region
from preprocess.formats.images import Mask
from preprocess.formats.label_maps import Bounds, PixelParse, table_look_up
from preprocess.label_tables import BACKGROUND
from schemas import Crop, Garment

HEAD = frozenset({"hair", "face", "hat"})
ARMS = frozenset({"right_arm", "left_arm"})
LEGS = frozenset({"right_leg", "left_leg", "socks"})
SHOES = frozenset({"right_shoe", "left_shoe"})
UPPER = frozenset(
    f"{layer}_{part}" for layer in ("inner", "outer", "dress") for part in ("torso", "rsleeve", "lsleeve")
)
LOWER = frozenset({"pants_hip", "pants_rsleeve", "pants_lsleeve", "skirt"})

WORN: dict[Garment, frozenset[str]] = {"upper": UPPER, "lower": LOWER, "dress": UPPER | LOWER}
"""The regions that a garment of each kind may cover: none of their pixels may be visible in Ia."""

_ORDER = ("hair", "hat", "neck", *sorted(LEGS), *sorted(SHOES), *sorted(LOWER), *sorted(UPPER), *sorted(ARMS), "face")
"""If polygons overlap, the later one wins: a garment over hair and neck, arm and face over a garment."""

LabelMap = NDArray[np.uint8]
"""(side, side): 0 background, 1 an unknown region, else 2 + the position in _ORDER."""

AnyParse = Parse | PixelParse
"""Regions as polygons, or pixel by pixel."""

_RANK = {BACKGROUND: 0} | {name: 2 + position for position, name in enumerate(_ORDER)}


def label_map(parse: AnyParse, crop: Crop) -> LabelMap:
    """Paint a person's regions into the crop, one label per pixel."""
    if isinstance(parse, PixelParse):
        return _cut(table_look_up(parse.numbers, [_RANK.get(name, 1) for name in parse.names]), crop)
    labels = np.zeros((crop.side, crop.side), np.uint8)
    _fill(labels, sorted(parse.regions, key=_rank), crop, _rank)
    return labels


def _rank(region: Region) -> int:
    return _RANK.get(region.name, 1)


def names_of(parse: AnyParse) -> frozenset[str]:
    """Return the names of the parse's regions."""
    return parse.present if isinstance(parse, PixelParse) else frozenset(region.name for region in parse.regions)


def label_of(name: str) -> int:
    """Return a region's label in a `LabelMap`."""
    return _RANK.get(name, 1)


def pixels_of(labels: LabelMap, names: frozenset[str]) -> Mask:
    """Return the mask of all pixels that show one of the named regions."""
    mask: Mask | None = None
    for first, length in _ranges(names):
        # Takes an eighth of the time of a lookup table; labels below the range wrap around.
        within = labels - np.uint8(first) < np.uint8(length)
        mask = within if mask is None else np.logical_or(mask, within, out=mask)
    return np.zeros(labels.shape, np.bool_) if mask is None else mask


@lru_cache
def _ranges(names: frozenset[str]) -> tuple[tuple[int, int], ...]:
    """Return the labels of the named regions as ranges: first label and length."""
    values = [2 + position for position, name in enumerate(_ORDER) if name in names]
    starts = [value for value in values if value - 1 not in values]
    return tuple((start, next(n for n in count(1) if start + n not in values)) for start in starts)


def claimed_by(parse: AnyParse, names: frozenset[str], crop: Crop) -> Mask:
    """Return the mask of all pixels inside the named regions' polygons, even where other regions cover them."""
    if isinstance(parse, PixelParse):
        return _cut(parse.mask(names).view(np.uint8), crop).view(np.bool_)
    mask = np.zeros((crop.side, crop.side), np.uint8)
    _fill(mask, [region for region in parse.regions if region.name in names], crop, lambda _: 1)
    return mask.view(np.bool_)


def garment_mask(parse: AnyParse, crop: Crop, linings: bool = False, factor: int = 1) -> Mask:
    """Return the mask of a product's own cloth, at one ``factor``-th of the crop's size.

    Its inside and far side (`*_hidden`) are included only with ``linings``. A pixel of a reduced mask is set only if
    all pixels that it covers are, or the background would be visible along the garment's edge.
    """
    mask = np.zeros((crop.side, crop.side), np.uint8)
    if isinstance(parse, PixelParse):
        mask[claimed_by(parse, parse.present, crop)] = 255
    else:
        hidden_last = sorted(parse.regions, key=_is_hidden)
        _fill(mask, hidden_last, crop, lambda region: 0 if _is_hidden(region) and not linings else 255)
    if factor > 1:
        side = crop.side // factor
        mask = np.asarray(cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    whole: Mask = mask == 255
    return whole


def bounds(parse: AnyParse, names: frozenset[str] | None = None) -> Bounds | None:
    """Return left, top, right, bottom in pixels of the image around the named (or all) regions."""
    if isinstance(parse, PixelParse):
        return parse.box(names)
    boxes = [region.bounds for region in parse.regions if names is None or region.name in names]
    return union(*boxes) if boxes else None


def area(parse: AnyParse, names: frozenset[str]) -> float:
    """Return the area of the named regions in pixels of the image, each polygon's for itself."""
    if isinstance(parse, PixelParse):
        return float(cv2.countNonZero(parse.mask(names).view(np.uint8)))
    polygons = (polygon for region in parse.regions if region.name in names for polygon in region.polygons)
    return sum(cv2.contourArea(np.asarray(polygon, np.float32)) for polygon in polygons)


def union(*boxes: Bounds | None) -> Bounds:
    """Return the box around all boxes that are not None, at least one."""
    lefts, tops, rights, bottoms = zip(*(box for box in boxes if box is not None), strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _cut(numbers: NDArray[np.uint8], crop: Crop) -> NDArray[np.uint8]:
    """Crop the square out of a label image (h, w), padded with 0 beyond its edges."""
    result = np.zeros((crop.side, crop.side), np.uint8)
    left, top = max(0, crop.x), max(0, crop.y)
    inside = numbers[top : max(top, crop.y + crop.side), left : max(left, crop.x + crop.side)]
    rows, columns = inside.shape
    result[top - crop.y : top - crop.y + rows, left - crop.x : left - crop.x + columns] = inside
    return result


def cut_mask(mask: Mask, crop: Crop) -> Mask:
    """Crop the square out of a mask (h, w), false beyond its edges."""
    return _cut(mask.view(np.uint8), crop).view(np.bool_)


def _is_hidden(region: Region) -> bool:
    return region.name.endswith("_hidden")


def _fill(labels: LabelMap, regions: Sequence[Region], crop: Crop, value: Callable[[Region], int]) -> None:
    """Paint each region's polygons with its value, in order."""
    polygons = [(polygon, value(region)) for region in regions for polygon in region.polygons]
    if not polygons:
        return
    points = np.rint(np.concatenate([polygon for polygon, _ in polygons]) - (crop.x, crop.y)).astype(np.int32)
    start = 0
    # One call per polygon: in a single call cv2 applies the even-odd rule, which leaves holes where polygons overlap.
    for polygon, number in polygons:
        cv2.fillPoly(labels, [points[start : start + len(polygon)]], number)
        start += len(polygon)

"""Tells the kind of a garment by the outline of its photograph; a guess, which the user can overrule.

Trousers part into two legs of one width. Skirts and short trousers begin with a waistband, nearly as wide as what
follows, and have no sleeves. Dresses are long for the width of their torso, or widen below the waist. What is left is a
top. Measured on drawn outlines and on photographs: docs/guides/photos.md.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from schemas import Garment

Rows = TypeVar("Rows", bound=NDArray[Any])
Outline = NDArray[np.bool_]
"""(h, w): which pixels show the garment, upright."""

_SIDE: Final = 256
"""Pixels of the longer side at which an outline is examined."""
_THIN: Final = 0.025
"""Half-width of straps and hooks that are ignored, as a share of the garment's size (the square root of its area)."""
_LEG: Final = 0.08
"""Smallest width of a leg, as a share of the garment's."""
_LEGS, _FEW_LEGS = 0.6, 0.15
"""Share of the lower rows that are two legs: of trousers, and of shorts, which need a waistband too."""
_WAISTBAND, _WAISTBAND_OF_FLARE, _WAISTBAND_OF_LEGS = 0.74, 0.67, 0.6
"""Smallest width of the first rows, as a share of that at a third of the height: of a straight garment, of one that
widens all the way, and of one with legs."""
_FLARE: Final = 0.96
"""Largest extent of the upper half, in those of the lower one, of a garment that widens all the way."""
_WAIST: Final = 1.03
"""How much wider a garment is somewhere above its narrowest row if that is a waist."""
_SLEEVES: Final = 1.1
"""Largest extent of the upper half, in those of the lower one, of a garment without sleeves."""
_BODY: Final = 0.85
"""Smallest width of the middle piece, as a share of the rows' extent, of a garment with nothing beside it."""
_LONG, _LONG_AND_WIDE, _WIDENING = 2.4, 2.0, 1.5
"""Smallest height of a dress in widths of its torso; and of one that widens so much from waist to hem."""
_ONE_PIECE: Final = 0.85
"""Smallest share of the hem's extent that the middle piece has where no sleeves hang beside it."""


def guess_kind(outline: Outline) -> Garment:
    """Return the kind of garment that the outline is likely to be, `upper` if there is none."""
    shape = _cropped(outline)
    if shape is None:
        return "upper"
    extent = np.array([_extent(row) for row in shape], np.float64)
    torso = _middle_widths(_rows(shape, 0.2, 0.6))
    if _has_legs(shape, _LEGS) or (_has_waistband(shape, extent) and not _has_waist(torso)):
        return "lower"
    hem = _middle_widths(_rows(shape, 0.8, 0.95))
    if _median(hem) >= _ONE_PIECE * _median(_rows(extent, 0.8, 0.95)):
        length = len(shape) / _median(torso)
        widening = _median(hem) / max(1.0, float(torso.min()))
        if length >= _LONG or (length >= _LONG_AND_WIDE and widening >= _WIDENING):
            return "dress"
    return "upper"


def _has_legs(shape: Outline, least: float) -> bool:
    """Return whether at least this share of the lower rows is two legs."""
    return float(np.mean([_is_two_legs(row) for row in _rows(shape, 0.65, 0.97)])) >= least


def _has_waistband(shape: Outline, extent: NDArray[np.float64]) -> bool:
    """Return whether the first rows are nearly as wide as what follows, and nothing hangs beside the middle."""
    beside = _median(_middle_widths(_rows(shape, 0.25, 0.6))) < _BODY * _median(_rows(extent, 0.25, 0.6))
    sleeves = float(_rows(extent, 0.0, 0.5).max()) / _median(_rows(extent, 0.5, 0.8))
    if beside or sleeves > _SLEEVES:
        return False
    least = _WAISTBAND_OF_FLARE if sleeves <= _FLARE else _WAISTBAND
    if _has_legs(shape, _FEW_LEGS):
        least = _WAISTBAND_OF_LEGS
    return _median(_rows(extent, 0.02, 0.06)) >= least * _median(_rows(extent, 0.3, 0.4))


def _has_waist(torso: NDArray[np.float64]) -> bool:
    """Return whether the garment is wider above its narrowest row, as a skirt or trousers are not."""
    narrowest = int(torso.argmin())
    return float(torso[: narrowest + 1].max()) >= _WAIST * max(1.0, float(torso[narrowest]))


def outline_of(parse: dict[str, Any]) -> Outline | None:
    """Return the outline of all regions of a garment's parse file (AI-Hub's format), None if it is not one."""
    try:
        width, height = int(parse["image_size"]["width"]), int(parse["image_size"]["height"])
        scale = _SIDE / max(width, height)
        outline = np.zeros((max(1, round(height * scale)), max(1, round(width * scale))), np.uint8)
        for region in (value for name, value in parse.items() if name.startswith("region")):
            for polygon in region["segmentation"]:
                corners = np.asarray(polygon, np.float64).reshape(-1, 2) * scale
                cv2.fillPoly(outline, [np.round(corners).astype(np.int32)], (1,))
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError, OverflowError):
        return None
    return np.asarray(outline, np.bool_)


def _cropped(outline: Outline) -> Outline | None:
    """Return the largest piece of the outline without thin parts, cut to its extent; None if nothing is left."""
    scale = min(1.0, _SIDE / max(outline.shape))
    size = max(1, round(outline.shape[1] * scale)), max(1, round(outline.shape[0] * scale))
    small = cv2.resize(outline.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(small)
    if len(stats) < 2:
        return None
    largest = (numbers == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())).astype(np.uint8)
    reach = max(1, round(_THIN * float(np.sqrt(largest.sum()))))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    bordered = cv2.copyMakeBorder(largest, reach, reach, reach, reach, cv2.BORDER_CONSTANT)
    solid = np.asarray(cv2.morphologyEx(bordered, cv2.MORPH_OPEN, disc))[reach:-reach, reach:-reach]
    shape = np.asarray(solid if solid.any() else largest, np.bool_)
    rows, columns = np.flatnonzero(shape.any(axis=1)), np.flatnonzero(shape.any(axis=0))
    return shape[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _rows(rows: Rows, first: float, last: float) -> Rows:
    """Return the rows between two shares of the height, at least one."""
    start = min(int(first * len(rows)), len(rows) - 1)
    part: Any = rows[start : max(start + 1, int(last * len(rows)))]
    found: Rows = part
    return found


def _median(widths: NDArray[np.float64]) -> float:
    return max(1.0, float(np.median(widths)))


def _runs(row: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return (start, stop) of each piece of a row."""
    steps = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in zip(steps[::2], steps[1::2], strict=True)]


def _extent(row: NDArray[np.bool_]) -> int:
    runs = _runs(row)
    return runs[-1][1] - runs[0][0] if runs else 0


def _middle_widths(shape: Outline) -> NDArray[np.float64]:
    """Return the width of each row's piece that covers the middle, 0 where there is none."""
    middle = shape.shape[1] // 2
    return np.array(
        [max((stop - start for start, stop in _runs(row) if start <= middle < stop), default=0) for row in shape],
        np.float64,
    )


def _is_two_legs(row: NDArray[np.bool_]) -> bool:
    """Return whether a row consists of two pieces of similar width, on either side of the middle."""
    width = len(row)
    wide = [(start, stop) for start, stop in _runs(row) if stop - start > _LEG * width]
    if len(wide) != 2:
        return False
    (_, left), (right, _) = wide
    narrow, broad = sorted(stop - start for start, stop in wide)
    return left <= 0.65 * width and right >= 0.35 * width and narrow > 0.4 * broad

"""The trunk of a top or a dress: armpits, the hem's corners and the waist."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.formats.images import Mask
from preprocess.loading.outline.arcs import straight
from preprocess.loading.outline.notches import Notch, notches, opened, outline
from preprocess.loading.outline.upright import SIZE, XY, Upright

_LOWEST_PIT, _LOWEST_SMALL = 0.85, 0.6
"""Lowest armpit, and lowest one that is a small notch, as shares of the garment's height."""
_NEAREST_PIT: Final = 0.06
"""Nearest armpit to the axis, as a share of the garment's height."""
_SMALL: Final = 0.03
"""Size of small notches, as a share of the garment's."""
_SLEEVE: Final = (0.012, 0.42)
"""Smallest and largest sleeve, as shares of the garment's area."""
SIDEWAYS: Final = 0.35
"""Notches with less of a downward direction are tried last,"""
_BELLY: Final = np.deg2rad(130)
"""and only up to this angle: a waist is such a notch, too."""
_TEAR, _OUT = 0.05, 0.025
"""A sleeve reaches beyond the trunk's edge just below its armpit: height of that edge and least reach, as shares of the
garment's longer side."""
_LOW, _LEVEL, _TRUNK = 0.6, 0.06, 0.15
"""A notch low in the garment, beside which a large piece ends at its height, lies between hem and folded sleeve."""
_BODICE: Final = 0.7
"""A sleeve's end is at most this far above an armpit that opens sideways, as a share of the armpit's depth."""
_BODY: Final = 0.2
"""Least width of a trunk below its armpits, as a share of the garment's height."""
_FEW: Final = 0.5
"""Share of the rows below an armpit that a slanting hem's end has at most."""
_BELOW: Final = 0.05
"""Height below an armpit in which the trunk's width is measured, as a share of the garment's."""
_ROUND: Final = 0.03
"""Height of a hem's rounded corner, in the same share."""
_EDGE: Final = 0.1
"""Least length of a trunk's edge whose direction is measured, as a share of the garment's longer side."""
_LEANS: Final = 0.2
"""Largest lean."""


@dataclass
class Trunk:
    """The trunk alone, with what was cut off at the armpits."""

    mask: Mask
    points: NDArray[np.float64]
    """The whole garment's outline"""
    notches: list[Notch]
    """Of that outline, downwards and sideways"""
    pits: dict[int, Notch]
    """Side (1 is the wearer's left) → armpit, where there is a sleeve"""
    sleeves: dict[int, Mask]
    centre: float = 0.0
    half: float = 1.0
    """Half the width below the armpits"""
    row: float = 0.0
    """Row where centre and width are measured"""
    lean: float = 0.0
    """Columns that the trunk's middle moves to the right per row"""

    @cached_property
    def body(self) -> NDArray[np.float64]:
        """Outline of the trunk alone."""
        return outline(self.mask)

    @cached_property
    def edges(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """First and last column of each row."""
        return edges(self.mask)

    @cached_property
    def rows(self) -> tuple[int, int]:
        """First and last row."""
        rows = np.flatnonzero(self.mask.any(axis=1))
        return int(rows[0]), int(rows[-1])

    def mirrored(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mirror image of points (n, 2) about the trunk's middle line."""
        along = np.array((self.lean, 1.0)) / np.hypot(self.lean, 1.0)
        away = places - (self.centre, self.row)
        image: NDArray[np.float64] = 2 * (away @ along)[:, None] * along - away + (self.centre, self.row)
        return image

    def edge_at(self, row: float, side: int) -> XY:
        """Return the edge in a row."""
        at = int(min(max(round(row), 0), len(self.mask) - 1))
        return float(self.edges[1 if side == 1 else 0][at]), float(row)


def trunk_of(shape: Upright) -> Trunk:
    """Cut the sleeves off."""
    mask = opened(shape.mask)
    rows = np.flatnonzero(mask.any(axis=1))
    top, height = int(rows[0]), int(rows[-1] - rows[0] + 1)
    trunk = Trunk(mask, outline(mask), [], {}, {})
    # Near a short sleeve that hangs steeply a notch is small.
    trunk.notches = found = [*notches(trunk.points), *notches(trunk.points, share=_SMALL)]
    whole = cv2.countNonZero(mask.view(np.uint8))
    for side in (1, -1):
        own = [
            notch for notch in found
            if (notch.x - shape.middle) * side > _NEAREST_PIT * height
            and notch.y < top + (_LOWEST_SMALL if notch.small else _LOWEST_PIT) * height
            and (notch.down >= SIDEWAYS or notch.angle < _BELLY)
        ]  # fmt: skip
        for notch in sorted(own, key=lambda one: (one.small, one.down < SIDEWAYS, abs(one.x - shape.middle))):
            if _cut(trunk, side, notch, shape.middle, (whole, height)):
                break
    _measure(trunk, top, height)
    return trunk


def _cut(trunk: Trunk, side: int, pit: Notch, middle: int, size: tuple[int, int]) -> bool:
    """Cut off the sleeve above an armpit; return whether it is one. ``size`` is the garment's area and height."""
    whole, height = size
    column, row = round(pit.x) + side, round(pit.y)
    above = np.flatnonzero(~trunk.mask[: row - 1, column][::-1])
    inside = row - 2 - int(above[0]) + 1 if len(above) else 0
    cut = trunk.mask.view(np.uint8).copy()
    cut[max(0, inside - 2) : row + 2, column : column + 2] = 0
    # A notch that opens sideways has the trunk below it.
    cut[row - 1 : row + 2, min(column, column + 4 * side) : max(column, column + 4 * side) + 1] = 0
    beside = column + 2 if side == 1 else column - 1
    near = np.flatnonzero(cut[inside:row, beside])
    if not len(near):
        return False
    seed = beside, inside + int(near[len(near) // 2])
    # What is reached from the outer side of the cut is the sleeve, unless it is all.
    area, _, _, (left, high, width, tall) = cv2.floodFill(cut, None, seed, 2, flags=4)
    if not _SLEEVE[0] * whole <= area < _SLEEVE[1] * whole or left <= middle < left + width:
        return False
    first, last = edges(cut[row + 2 : row + 2 + round(_TEAR * SIZE)] == 1)
    reach = left + width - 1 - last.min(initial=np.inf) if side == 1 else first.max(initial=0) - left
    if len(first) and reach < _OUT * SIZE:
        return False  # a tear in the trunk's edge
    below = cut[row + 2 : row + 2 + len(first)] == 1
    # Below a cropped top's hem there are only a few rows of a slanting hem, and the other sleeve.
    own = (below[:, middle:] if side == 1 else below[:, : middle + 1]).any(axis=1)
    if len(first) and float((last - first).max()) < _BODY * height and own.mean() > _FEW:
        return False  # what is below it is no trunk, but a sleeve's end below the hem
    if row > high + _LOW * height and high + tall < row + _LEVEL * height and area > _TRUNK * whole:
        return False  # what is beside it is the trunk
    sleeve = cut == 2
    outermost = int(sleeve[:, left + width - 1 if side == 1 else left].argmax())
    if pit.down < SIDEWAYS and row - outermost > _BODICE * (row - high):
        return False  # a dress's waist
    trunk.sleeves[side] = sleeve
    trunk.mask = cut == 1
    trunk.pits[side] = pit
    return True


def _measure(trunk: Trunk, top: int, height: int) -> None:
    """Find the trunk's centre and width below the armpits."""
    row = max(pit.y for pit in trunk.pits.values()) if trunk.pits else top + 0.38 * height
    hems = [corner(trunk.body, side * 0.8, 1.0) for side in (1, -1)]
    low = round(max(row + 2, top + 0.2 * height))
    stop = low + round(_BELOW * height)
    if len(trunk.pits) == 2 and stop > min(y for _, y in hems):
        # The hem of a cropped top ends in the armpits: below them there is no whole trunk.
        left, right = trunk.pits[-1].x, trunk.pits[1].x
        trunk.row = (trunk.pits[-1].y + trunk.pits[1].y) / 2
    else:
        low = min(low, trunk.rows[1] - 3)
        stop = min(stop, trunk.rows[1]) + 1
        left, right = (float(np.median(part[low:stop])) for part in trunk.edges)
        trunk.row = (low + stop - 1) / 2
    trunk.centre, trunk.half = (left + right) / 2, max((right - left) / 2, 1.0)
    trunk.lean = _lean(trunk, dict(zip((1, -1), hems, strict=True)))


def _lean(trunk: Trunk, hems: dict[int, XY]) -> float:
    """Return how far the trunk leans: the mean of its edges below the armpits, or else square to the hem."""
    top, low = trunk.rows
    starts = [trunk.pits[side].y + 3 if side in trunk.pits else top + 0.3 * (low - top) for side in hems]
    stop = min(y for _, y in hems.values()) - _ROUND * (low - top)
    # The same rows of both, or a belly leans.
    at = np.arange(round(max(starts)), round(stop))
    if len(at) > _EDGE * SIZE:
        lean = sum(straight(at, edge[at])[0] for edge in trunk.edges) / 2
    else:
        (x, y), (other, other_y) = hems[1], hems[-1]
        lean = -(y - other_y) / max(x - other, 1.0)
    return min(max(lean, -_LEANS), _LEANS)


def corner(points: NDArray[np.float64], x: float, y: float) -> XY:
    """Return an outline's farthest point in a direction."""
    far = int((points @ np.array((x, y))).argmax())
    return float(points[far, 0]), float(points[far, 1])


def corner_between(points: NDArray[np.float64], one: XY, other: XY) -> XY:
    """Return the point farthest to the left of the way from ``one`` to ``other``, the corners next to it."""
    return corner(points, other[1] - one[1], one[0] - other[0])


def edges(mask: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the first and the last column of each row; empty rows repeat the mask's middle."""
    filled = mask.any(axis=1)
    first = np.where(filled, mask.argmax(axis=1), mask.shape[1] / 2).astype(np.float64)
    last = np.where(filled, mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1), mask.shape[1] / 2).astype(np.float64)
    return first, last

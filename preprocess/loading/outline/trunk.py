"""The trunk of a top or a dress: armpits, the hem's corners and the waist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.formats.images import Mask
from preprocess.loading.outline.arcs import corners
from preprocess.loading.outline.notches import Notch, notches, opened, outline
from preprocess.loading.outline.upright import SIZE, XY, Upright

_LOWEST_PIT, _LOWEST_SMALL = 0.85, 0.6
"""Lowest armpit, and lowest one that is a small notch, as shares of the garment's height."""
_NEAREST_PIT: Final = 0.06
"""Nearest armpit to the axis, as a share of the garment's height."""
_SMALL: Final = 0.03
"""Size of small notches, as a share of the garment's."""
_SLEEVE: Final = (0.012, 0.32)
"""Smallest and largest sleeve, as shares of the garment's area."""
_SIDEWAYS: Final = 0.35
"""Notches with less of a downward direction are tried last,"""
_BELLY: Final = np.deg2rad(130)
"""and only up to this angle: a waist is such a notch, too."""
_TEAR, _OUT = 0.05, 0.025
"""A sleeve reaches beyond the trunk's edge just below its armpit: height of that edge and least reach, as shares of the
garment's longer side."""
_BELOW: Final = 0.05
"""Height below an armpit in which the trunk's width is measured, as a share of the garment's."""
_COVERED: Final = 0.008
"""A hem that is not farther below its armpit than this, as a share of the garment's longer side, is behind the sleeve."""
_VENT, _HEM = 0.25, 0.7
"""Where a notch in the hem shows that a sleeve reaches below it: beyond the middle, and low in the trunk."""
_BELOW_HEM: Final = np.deg2rad(145)
_REACHES: Final = 0.05
"""Least distance of such a sleeve's end from the hem's corner, as a share of the garment's longer side."""
_ROUND: Final = 0.03
"""Height of a hem's rounded corner, in the same share."""
_EDGE: Final = 0.1
"""Least length of a trunk's edge whose direction is measured, as a share of the garment's longer side."""
_LEANS: Final = 0.2
"""Largest lean."""
_WAIST: Final = 45
"""Points of the side's line in which a waist is looked for."""
_WAIST_BELOW: Final = 2.35
"""A waist's usual place below the shoulders, in half trunk widths."""
_NARROWING: Final = 0.04
"""Least narrowing of a waist against the trunk above and below it, as a share."""


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
    lean: float = 0.0
    """Columns that the trunk's middle moves to the right per row"""


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
            and (notch.down >= _SIDEWAYS or notch.angle < _BELLY)
        ]  # fmt: skip
        for notch in sorted(own, key=lambda one: (one.small, one.down < _SIDEWAYS, abs(one.x - shape.middle))):
            if _cut(trunk, side, notch, shape.middle, whole):
                break
    _measure(trunk, top, height)
    return trunk


def _cut(trunk: Trunk, side: int, pit: Notch, middle: int, whole: int) -> bool:
    """Cut off the sleeve above an armpit; return whether it is one."""
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
    area, _, _, (left, _, width, _) = cv2.floodFill(cut, None, seed, 2, flags=4)
    if not _SLEEVE[0] * whole <= area < _SLEEVE[1] * whole or left <= middle < left + width:
        return False
    first, last = edges(cut[row + 2 : row + 2 + round(_TEAR * SIZE)] == 1)
    reach = left + width - 1 - last.min(initial=np.inf) if side == 1 else first.max(initial=0) - left
    if len(first) and reach < _OUT * SIZE:
        return False  # a tear in the trunk's edge
    trunk.sleeves[side] = cut == 2
    trunk.mask = cut == 1
    trunk.pits[side] = pit
    return True


def _measure(trunk: Trunk, top: int, height: int) -> None:
    """Find the trunk's centre and width below the armpits."""
    filled = np.flatnonzero(trunk.mask.any(axis=1))
    row = max(pit.y for pit in trunk.pits.values()) if trunk.pits else top + 0.38 * height
    # Beside a cropped top a hanging sleeve meets the hem.
    low = min(round(max(row + 2, top + 0.2 * height)), int(filled[-1]) - 3)
    first, last = edges(trunk.mask[low : min(low + round(_BELOW * height), int(filled[-1])) + 1])
    left, right = float(np.median(first)), float(np.median(last))
    trunk.centre, trunk.half = (left + right) / 2, max((right - left) / 2, 1.0)
    trunk.lean = _lean(trunk)


def _lean(trunk: Trunk) -> float:
    """Return how far the trunk leans: the mean of its edges below the armpits, or else square to the hem."""
    hems = {side: corner(trunk.mask, side * 0.8, 1.0) for side in (1, -1)}
    first, last = edges(trunk.mask)
    slopes = []
    for side, hem in hems.items():
        rows = np.flatnonzero(trunk.mask.any(axis=1))
        start = trunk.pits[side].y + 3 if side in trunk.pits else rows[0] + 0.3 * len(rows)
        at = np.arange(round(start), round(hem[1] - _ROUND * len(rows)))
        if len(at) > _EDGE * SIZE:
            slopes.append(float(np.polyfit(at, (last if side == 1 else first)[at], 1)[0]))
    if len(slopes) == 2:
        lean = sum(slopes) / 2
    else:
        (x, y), (other, low) = hems[1], hems[-1]
        lean = -(y - low) / max(x - other, 1.0)
    return min(max(lean, -_LEANS), _LEANS)


def corner(mask: Mask, x: float, y: float) -> XY:
    """Return the outline's farthest point in a direction."""
    points = outline(mask)
    far = points @ np.array((x, y))
    return float(points[far.argmax(), 0]), float(points[far.argmax(), 1])


def hem_of(trunk: Trunk, side: int) -> XY | None:
    """Return the hem's corner, None if a sleeve covers it.

    Where a folded sleeve reaches below the hem, the corner is where the trunk's edge would meet the hem.
    """
    found = corner(trunk.mask, side * 0.8, 1.0)
    if side in trunk.pits and found[1] - trunk.pits[side].y < _COVERED * SIZE:
        return None
    rows = np.flatnonzero(trunk.mask.any(axis=1))
    top, height = int(rows[0]), len(rows)
    below = {one: hem_notch(trunk, one) for one in (side, -side)}
    notch, other = below[side], below[-side] or corner(trunk.mask, -side * 0.8, 1.0)
    start = trunk.pits[side].y + 3 if side in trunk.pits else top + 0.35 * height
    at = np.arange(round(start), round(top + _HEM * height))
    if not notch or len(at) < 8 or notch[0] == other[0]:
        return found
    edge = edges(trunk.mask)[1 if side == 1 else 0][at]
    slope, base = (float(part) for part in np.polyfit(at, edge, 1))
    steep = (notch[1] - other[1]) / (notch[0] - other[0])
    y = (other[1] + steep * (base - other[0])) / max(1 - steep * slope, 0.2)
    x = base + slope * y
    return (x, y) if np.hypot(x - found[0], y - found[1]) > _REACHES * SIZE else found


def hem_notch(trunk: Trunk, side: int) -> XY | None:
    """Return the notch on a side of the hem where something reaches below it, None if nothing does."""
    rows = np.flatnonzero(trunk.mask.any(axis=1))
    top = float(rows[0] + _HEM * len(rows))
    found = [notch for notch in trunk.notches if not notch.small and notch not in trunk.pits.values()
             and (notch.x - trunk.centre) * side > _VENT * trunk.half and notch.y > top
             and notch.angle < _BELOW_HEM and notch.down > _SIDEWAYS]  # fmt: skip
    lowest = max(found, key=lambda one: one.y, default=None)
    return (lowest.x, lowest.y) if lowest else None


def edges(mask: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the first and the last column of each row; empty rows repeat the mask's middle."""
    filled = mask.any(axis=1)
    first = np.where(filled, mask.argmax(axis=1), mask.shape[1] / 2).astype(np.float64)
    last = np.where(filled, mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1), mask.shape[1] / 2).astype(np.float64)
    return first, last


def edge_at(mask: Mask, row: float, side: int) -> XY:
    """Return the trunk's edge in a row."""
    first, last = edges(mask)
    at = int(min(max(round(row), 0), len(mask) - 1))
    return float(last[at] if side == 1 else first[at]), float(row)


def waist(trunk: Trunk) -> float | None:
    """Return the row of a dress's waist, None if the outline does not show it."""
    rows = np.flatnonzero(trunk.mask.any(axis=1))
    top, low = int(rows[0]), int(rows[-1])
    pits = [pit.y for pit in trunk.pits.values()]
    start = round(max(pits)) + 3 if pits else top + round(0.2 * (low - top))
    first, last = edges(trunk.mask)
    stop = low - round(0.06 * (low - top))
    if stop - start < 12:
        return None
    widths = (last - first)[start : stop + 1]
    at = np.unique(np.linspace(0, len(widths) - 1, _WAIST).round().astype(int))
    line = np.stack([at, widths[at]], axis=1).astype(np.float64)
    (corner_at,), _ = corners(line, 1, np.zeros((1, len(at))))
    row = int(at[corner_at])
    near = max(2, len(widths) // 24)
    narrow = float(widths[max(0, row - near) : row + near + 1].min())
    above, below = float(widths[: row + 1].max()), float(widths[row:].max())
    if min(above, below) < (1 + _NARROWING) * narrow:
        return None
    return float(start + row)


def usual_waist(trunk: Trunk, shoulders: list[XY]) -> float:
    """Return the row where a waist usually is, for a dress whose outline shows none."""
    rows = np.flatnonzero(trunk.mask.any(axis=1))
    row, half = float(rows[0]), trunk.half
    if len(shoulders) == 2:
        (x, y), (other, low) = shoulders
        row, half = (y + low) / 2, (x - other) / 2
    return min(row + _WAIST_BELOW * half, rows[0] + 0.6 * len(rows))

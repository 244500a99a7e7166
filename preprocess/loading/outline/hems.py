"""The hem's corners of a top or a dress, and a dress's waist."""

from __future__ import annotations

from typing import Final

import numpy as np

from preprocess.loading.outline.arcs import corners, straight
from preprocess.loading.outline.notches import Notch
from preprocess.loading.outline.trunk import SIDEWAYS, Trunk, corner
from preprocess.loading.outline.upright import SIZE, XY

_COVERED: Final = 0.008
"""A hem that is not farther below its armpit than this, as a share of the garment's longer side, goes behind the sleeve
there."""
_AS_SHOULDERS: Final = 0.97
"""Usual width of a cropped top's hem, in widths of the shoulders."""
_VENT, _HEM = 0.25, 0.7
"""Where a notch in the hem shows that a sleeve reaches below it: beyond the middle, and low in the trunk."""
_BELOW_HEM: Final = np.deg2rad(145)
_REACHES: Final = 0.05
"""Least distance of such a sleeve's end from the hem's corner, as a share of the garment's longer side."""
_WAIST: Final = 45
"""Points of the side's line in which a waist is looked for."""
_WAIST_BELOW: Final = 2.35
"""A waist's usual place below the shoulders, in half trunk widths."""
_PIT_BELOW: Final = 1.1
"""Lowest armpit of a dress without sleeves below the shoulders, in half trunk widths."""
_BENDS: Final = 22.0
"""Cost of a squared distance from the usual place, in half trunk widths, against squared pixels of the fit."""
_NEAR_USUAL: Final = 0.3
"""Farthest such bend from the usual place."""
_NARROWING: Final = 0.04
"""Least narrowing of a waist against the trunk above and below it, as a share."""


def hem_of(trunk: Trunk, side: int) -> XY | None:
    """Return the hem's corner, None if a sleeve covers it.

    Where a folded sleeve reaches below the hem, the corner is where the trunk's edge would meet the hem.
    """
    found = corner(trunk.body, side * 0.8, 1.0)
    if goes_behind_sleeve(trunk, side):
        return None
    top, height = trunk.rows[0], trunk.rows[1] - trunk.rows[0] + 1
    below = {one: hem_notch(trunk, one) for one in (side, -side)}
    notch, other = below[side], below[-side] or corner(trunk.body, -side * 0.8, 1.0)
    start = trunk.pits[side].y + 3 if side in trunk.pits else top + 0.35 * height
    at = np.arange(round(start), round(top + _HEM * height))
    if not notch or len(at) < 8 or notch[0] == other[0]:
        return found
    slope, base = straight(at, trunk.edges[1 if side == 1 else 0][at])
    steep = (notch[1] - other[1]) / (notch[0] - other[0])
    y = (other[1] + steep * (base - other[0])) / max(1 - steep * slope, 0.2)
    x = base + slope * y
    if y < top + _HEM * height:
        return None  # the lines do not meet at a hem
    return (x, y) if np.hypot(x - found[0], y - found[1]) > _REACHES * SIZE else found


def goes_behind_sleeve(trunk: Trunk, side: int) -> bool:
    """Return whether the hem ends at the armpit: that of a cropped top goes behind a hanging sleeve there."""
    low = corner(trunk.body, side * 0.8, 1.0)[1]
    return side in trunk.pits and low - trunk.pits[side].y < _COVERED * SIZE


def covered_hem(pit: Notch, side: int, shoulders: dict[int, XY], other: XY | None) -> XY:
    """Return the corner of a cropped top's hem that goes behind a sleeve at a notch: as far outside as the other.

    ``other``: the hem's corner on the other side. Where a sleeve covers that, too, the hem is about as wide as the
    shoulders. The corner is the notch itself if that is farther outside.
    """
    notch = np.array((pit.x, pit.y))
    if len(shoulders) < 2:
        return pit.x, pit.y
    left, right = np.array(shoulders[1]), np.array(shoulders[-1])
    middle, half = (left + right) / 2, float(np.hypot(*(left - right))) / 2
    across = (left - right) / (2 * half)
    down = np.array((-across[1], across[0]))
    seen = notch if other is None else np.array(other)
    out = _AS_SHOULDERS * half if other is None else -side * float((seen - middle) @ across)
    place = middle + side * out * across + float((seen - middle) @ down) * down
    x, y = place if (place - notch) @ across * side > 0 else notch
    return float(x), float(y)


def hem_notch(trunk: Trunk, side: int) -> XY | None:
    """Return the notch on a side of the hem where something reaches below it, None if nothing does."""
    top = trunk.rows[0] + _HEM * (trunk.rows[1] - trunk.rows[0] + 1)
    found = [notch for notch in trunk.notches if not notch.small and notch not in trunk.pits.values()
             and (notch.x - trunk.centre) * side > _VENT * trunk.half and notch.y > top
             and notch.angle < _BELOW_HEM and notch.down > SIDEWAYS]  # fmt: skip
    outermost = max(found, key=lambda one: one.x * side, default=None)
    return (outermost.x, outermost.y) if outermost else None


def waist(trunk: Trunk) -> float | None:
    """Return the row of a dress's waist, None if the outline does not show it."""
    top, low = trunk.rows
    pits = [pit.y for pit in trunk.pits.values()]
    start = round(max(pits)) + 3 if pits else top + round(0.2 * (low - top))
    first, last = trunk.edges
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
    above, below = float(widths[: max(1, row - near)].max()), float(widths[row + near :].max(initial=0))
    if min(above, below) < (1 + _NARROWING) * narrow:
        return None
    return float(start + row)


def usual_waist(trunk: Trunk, shoulders: list[XY]) -> float:
    """Return the row where a waist may be, for a dress whose outline shows none: near its usual place it may bend."""
    top, low = trunk.rows
    row, half = float(top), trunk.half
    if len(shoulders) == 2:
        (x, y), (other, other_y) = shoulders
        row, half = (y + other_y) / 2, (x - other) / 2
    usual = min(row + _WAIST_BELOW * half, top + 0.6 * (low - top + 1))
    start = max(max((pit.y for pit in trunk.pits.values()), default=0.0) + 3, row + _PIT_BELOW * half)
    stop = low - 0.06 * (low - top)
    at = np.unique(np.linspace(start, max(start, stop), _WAIST).round().astype(int))
    if len(at) < _WAIST // 2:
        return usual
    line = np.stack([at, trunk.edges[1][at] - trunk.edges[0][at]], axis=1)
    away = (at - usual) / half
    (bend,), _ = corners(line, 1, np.where(np.abs(away) < _NEAR_USUAL, _BENDS * np.square(away), np.inf)[None])
    if abs(at[bend] - usual) > _NEAR_USUAL * half:
        return usual
    return float(at[bend])

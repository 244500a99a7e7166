"""Trousers, shorts and skirts: the waist's corners, knees and ends."""

from __future__ import annotations

from typing import Final

import numpy as np

from preprocess.formats.images import Mask
from preprocess.loading.outline.notches import Notch, notches, outline
from preprocess.loading.outline.sleeves import end_of
from preprocess.loading.outline.trunk import corner, corner_between, edges
from preprocess.loading.outline.upright import XY, Upright

_LONG: Final = 1.9
"""Minimum height of a long skirt or long trousers, in widths of the waist."""
_FLARED: Final = 0.2
"""Least slope of a flared edge, columns per row."""
_KNEE: Final = 0.57
"""Position of trousers' knees between waist and hem, as a share."""
_LOW_CROTCH: Final = 0.55
"""Highest place where crossed legs part, as a share of the height."""
_HOURGLASS: Final = 0.85
"""Width of crossed legs where they cross, against the ends, as a share."""
_SLIM, _WIDER = 0.62, 0.95
"""Width of crossed legs without a gap where they cross, as shares of that at the hips and at the ends."""
_MIDDLE, _SLIT = 0.03, 0.014
"""Half the width of a hem's middle, and the least height of a slit there, in shares of width and height."""
_DEEP: Final = 1.5
"""Least length of a leg whose middle line leads to its end, in widths."""
_LEAST: Final = 20
"""Least height of legs, pixels of the canvas."""
_CENTRAL: Final = 0.2
"""Farthest crotch from the axis, as a share of the garment's width."""


def crotch_of(shape: Upright) -> Notch | None:
    """Return the notch between the legs, None for a skirt."""
    rows = np.flatnonzero(shape.mask.any(axis=1))
    columns = np.flatnonzero(shape.mask.any(axis=0))
    top, height, width = int(rows[0]), len(rows), len(columns)
    found = [
        notch for notch in notches(outline(shape.mask))
        if abs(notch.x - shape.middle) < _CENTRAL * width and notch.y > top + 0.2 * height and notch.down > 0.7
    ]  # fmt: skip
    return min(found, key=lambda one: one.y) if found else _slit(shape)


def _slit(shape: Upright) -> Notch | None:
    """Return the small notch of legs that touch: the hem is higher in the middle than beside it."""
    reach = max(1, round(_MIDDLE * len(np.flatnonzero(shape.mask.any(axis=0)))))
    middle = shape.middle
    ends = np.where(shape.mask.any(axis=0), len(shape.mask) - 1 - shape.mask[::-1].argmax(axis=0), 0)
    near = ends[middle - reach : middle + reach + 1]
    beside = ends[middle - 3 * reach : middle - reach], ends[middle + reach + 1 : middle + 3 * reach + 1]
    if not all(len(part) for part in (near, *beside)):
        return None
    sides = min(float(np.median(part)) for part in beside)
    if sides - float(near.min()) < _SLIT * len(np.flatnonzero(shape.mask.any(axis=1))):
        return None
    return Notch(float(middle - reach + int(near.argmin())), float(near.min()), 0.0, 1.0, small=True, index=0)


def corners_of(mask: Mask) -> tuple[dict[int, XY], dict[int, XY]]:
    """Return a lower garment's corners at the waist and, on the outside, at the hem, for the sides 1 and -1."""
    points = outline(mask)
    waist, hem = ({side: corner(points, side * 1.0, y) for side in (1, -1)} for y in (-1.0, 1.0))
    # Beside a flared edge the farthest point in that direction is not quite the corner.
    for side in (1, -1):
        if (hem[side][0] - waist[side][0]) * side > _FLARED * (hem[side][1] - waist[side][1]):
            waist[side] = corner_between(points, *(waist[-side], hem[side])[::side])
            hem[side] = corner_between(points, *(hem[-side], waist[side])[::-side])
    return waist, hem


def is_long(mask: Mask) -> bool:
    """Return whether a lower garment has points below its knees."""
    waist, hem = corners_of(mask)
    height = hem[1][1] + hem[-1][1] - waist[1][1] - waist[-1][1]
    return height / 2 > _LONG * max(waist[1][0] - waist[-1][0], 1.0)


def are_crossed(shape: Upright, crotch: Notch | None) -> bool:
    """Return whether the legs lie across each other: they part low down or not at all, and it is narrow above."""
    rows = np.flatnonzero(shape.mask.any(axis=1))
    top, height = int(rows[0]), len(rows)
    if height < _LEAST or (crotch and crotch.y < top + _LOW_CROTCH * height):
        return False
    first, last = edges(shape.mask)
    widths = (last - first)[top : top + height]
    start = round(0.3 * height)
    row = start + int(widths[start : round(0.95 * height)].argmin())
    narrow, waist, end = float(widths[row]), float(widths[: height // 4].max()), float(widths[row:].max())
    if crotch:
        return narrow < _HOURGLASS * min(waist, end)
    # A skirt that is narrow at the knees is wider than two legs that lie on each other.
    return narrow < _SLIM * waist and narrow < _WIDER * end


def leg_points(shape: Upright, crotch: Notch, side: int) -> tuple[XY, XY]:
    """Return (middle, end) of a leg."""
    leg = _leg(shape, crotch, side)
    waist = corners_of(shape.mask)[0][side]
    rows = np.flatnonzero(leg.any(axis=1))
    if not len(rows):
        return (crotch.x, crotch.y), (crotch.x, crotch.y)
    deep = rows[-1] - rows[0] > _DEEP * np.count_nonzero(leg.any(axis=0))
    root = float(np.flatnonzero(leg[rows[2]]).mean()) if len(rows) > 3 else float(crotch.x), float(rows[0])
    end = end_of(leg, root, fitted=(0.3, 0.9)) if deep else _hem_of(leg)
    knee = waist[1] + _KNEE * (end[1] - waist[1])
    columns = np.flatnonzero(_side(shape.mask, crotch, side)[round(knee)])
    return (float(columns.mean()) if len(columns) else end[0], knee), end


def skirt_points(mask: Mask, side: int) -> tuple[XY, XY]:
    """Return (middle, hem) of a skirt's edge."""
    waist, hem = (corners[side] for corners in corners_of(mask))
    row = (waist[1] + hem[1]) / 2
    return (float(edges(mask)[1 if side == 1 else 0][round(row)]), row), hem


def _side(mask: Mask, crotch: Notch, side: int) -> Mask:
    """Return the half of a garment: beyond the gap between the legs, or the crotch's column above it."""
    half = mask.copy()
    x = round(crotch.x)
    for row in np.flatnonzero(mask.any(axis=1)):
        split = x
        if row > crotch.y:
            gap = np.flatnonzero(~mask[row, : x + 1]) if mask[row, x] else None
            if gap is not None:
                split = _gap(mask[row], x)
        if side == 1:
            half[row, :split] = False
        else:
            half[row, split:] = False
    return half


def _hem_of(leg: Mask) -> XY:
    """Return the middle of a short leg's hem, between its two lower corners."""
    points = outline(leg)
    (x, y), (other, low) = corner(points, 0.8, 1.0), corner(points, -0.8, 1.0)
    return (x + other) / 2, (y + low) / 2


def _gap(row: Mask, x: int) -> int:
    """Return the middle of the row's gap nearest to a column, the column itself if there is none."""
    columns = np.flatnonzero(row)
    jumps = np.flatnonzero(np.diff(columns) > 1)
    if not len(jumps):
        return x
    gaps = (columns[jumps] + columns[jumps + 1]) // 2
    return int(gaps[np.abs(gaps - x).argmin()])


def _leg(shape: Upright, crotch: Notch, side: int) -> Mask:
    half = _side(shape.mask, crotch, side)
    rows = np.flatnonzero(shape.mask.any(axis=1))
    # A notch that is only a slit between legs says little: the leg starts farther up.
    start = min(round(crotch.y), int(rows[-1] - 0.2 * len(rows)))
    half[:start] = False
    return half

"""The trunk of a top or a dress: armpits, shoulders, the hem's corners and the waist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.formats.images import Mask
from preprocess.loading.outline.notches import notches, opened, outline
from preprocess.loading.outline.upright import XY, Upright

_LOWEST_PIT: Final = 0.8
"""Lowest armpit, as a share of the garment's height."""
_NEAREST_PIT: Final = 0.06
"""Nearest armpit to the axis, as a share of the garment's height."""
_SMALL: Final = 0.03
"""Size of small notches, as a share of the garment's."""
_SLEEVE: Final = 0.02
"""Smallest sleeve, as a share of the garment's area."""
_CORNER, _BEND, _DEPTH = (0.2, 0.1), (0.32, 0.24), 0.8
"""Where a shoulder's corner, or a slight bend, is looked for: inside and outside of the armpit's column, and up and
down, in half trunks."""
LONG_SLEEVE: Final = 2.1
"""Least distance of a long sleeve's end from the shoulder, in half shoulder widths."""
_LOW_PIT: Final = 1.5
"""A low armpit belongs to a long sleeve that hangs: factor of its distance that counts as the sleeve's length."""
_KINK: Final = 0.04
"""Least rise of a shoulder's corner above the line through its surroundings, in half trunks."""
_WAIST_BELOW: Final = 2.35
"""A waist's place below the shoulders where the outline does not show it, in half shoulder widths."""
_WAIST: Final = (0.22, 0.62)
"""Range of a dress's waist, as shares of its height."""
_NARROWING: Final = 0.04
"""Least narrowing of a waist against the trunk above and below it, as a share."""


@dataclass
class Trunk:
    """The trunk alone, with what was cut off at the armpits."""

    mask: Mask
    pits: dict[int, XY]
    """Side (1 is the wearer's left) → armpit, where there is a sleeve"""
    sleeves: dict[int, Mask]
    shoulders: dict[int, XY]


def trunk_of(shape: Upright) -> Trunk:
    """Cut the sleeves off."""
    mask = opened(shape.mask)
    rows = np.flatnonzero(mask.any(axis=1))
    top, height = int(rows[0]), int(rows[-1] - rows[0] + 1)
    # Near a short sleeve that hangs steeply a notch is small.
    found = [*notches(mask), *notches(mask, share=_SMALL)]
    trunk = Trunk(mask, {}, {}, {})
    for side in (1, -1):
        own = [
            notch for notch in found
            if (notch.x - shape.middle) * side > _NEAREST_PIT * height and notch.y < top + _LOWEST_PIT * height
        ]  # fmt: skip
        for notch in sorted(own, key=lambda one: (one.small, abs(one.x - shape.middle))):
            if _cut(trunk, shape.mask, shape.middle, side, (notch.x, notch.y)):
                break
    for side in (1, -1):
        if side not in trunk.shoulders:
            trunk.shoulders[side] = corner(trunk.mask, side * 1.0, -1.2)
    return trunk


def _cut(trunk: Trunk, mask: Mask, middle: int, side: int, pit: XY) -> bool:
    """Cut off the sleeve above an armpit; return whether it is one."""
    column, row = round(pit[0]) + side, round(pit[1])
    above = np.flatnonzero(~trunk.mask[: row - 1, column][::-1])
    inside = row - 2 - int(above[0]) + 1 if len(above) else 0
    cut = trunk.mask.copy()
    cut[max(0, inside - 2) : row + 2, column : column + 2] = False
    _, numbers, stats, centroids = cv2.connectedComponentsWithStats(cut.view(np.uint8), connectivity=4)
    areas = stats[1:, cv2.CC_STAT_AREA]
    if len(areas) < 2:
        return False
    # The trunk is the piece that has most pixels near the axis.
    near = numbers[:, max(0, middle - 6) : middle + 7]
    counts = np.bincount(near.ravel(), minlength=len(areas) + 1)
    counts[0] = 0
    body = int(counts.argmax())
    others = [number for number in range(1, len(areas) + 1)
              if number != body and (centroids[number, 0] - middle) * side > 0]  # fmt: skip
    if not others:
        return False
    sleeve = max(others, key=lambda number: int(stats[number, cv2.CC_STAT_AREA]))
    if stats[sleeve, cv2.CC_STAT_AREA] < _SLEEVE * areas.sum():
        return False
    trunk.mask = numbers == body
    trunk.pits[side] = pit
    trunk.sleeves[side] = numbers == sleeve
    trunk.shoulders[side] = _shoulder(mask, trunk.sleeves[side], middle, side, (pit[0], inside), row - inside)
    return True


def _shoulder(mask: Mask, sleeve: Mask, middle: int, side: int, pit: tuple[float, int], low: float) -> XY:
    """Return the corner of the upper outline near the armpit's column; of a straight one the column itself.

    ``pit`` is the armpit's column and the upper outline's row there, ``low`` the armpit's distance below it.
    From a long sleeve's shoulder the outline falls
    steeply, if the sleeve hangs; at a short sleeve's it bends slightly.
    """
    column, row = pit
    half = abs(column - middle)
    ys, xs = np.nonzero(sleeve)
    long = max(float(np.hypot(xs - column, ys - row).max()), low * _LOW_PIT) > LONG_SLEEVE * half
    columns, tops = _upper(mask, column, row, side, half, _CORNER if long else _BEND)
    if not np.isfinite(tops).all():
        return column, float(row)
    rises = side * columns - tops
    if not long:
        rises = tops[0] + (tops[-1] - tops[0]) * np.linspace(0, 1, len(tops)) - tops
    best = int(rises.argmax())
    plain = 0 < best < len(columns) - 1 if long else rises[best] >= _KINK * half
    return (float(columns[best]), float(tops[best])) if plain else (column, float(row))


def _upper(
    mask: Mask, column: float, row: int, side: int, half: float, window: tuple[float, float]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the columns from inside to outside of the armpit's, and the upper outline's row in each."""
    low, high = sorted((round(column - side * window[0] * half), round(column + side * window[1] * half)))
    columns = np.arange(max(0, low), min(mask.shape[1] - 1, high) + 1)
    depth = max(2, round(_DEPTH * half))
    start = max(0, row - depth)
    part = mask[start : row + depth, columns]
    tops = np.where(part.any(axis=0), start + part.argmax(axis=0), np.inf)
    return columns, tops.astype(np.float64)


def corner(mask: Mask, x: float, y: float) -> XY:
    """Return the outline's farthest point in a direction."""
    points = outline(mask)
    far = points @ np.array((x, y))
    return float(points[far.argmax(), 0]), float(points[far.argmax(), 1])


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


def waist(trunk: Trunk) -> tuple[float, bool]:
    """Return the row of a dress's waist, and whether the outline shows it."""
    first, last = edges(trunk.mask)
    rows = np.flatnonzero(trunk.mask.any(axis=1))
    top, height = int(rows[0]), int(rows[-1] - rows[0] + 1)
    kernel = np.ones(7) / 7
    widths = np.convolve(last - first, kernel, mode="same")
    start, stop = (top + round(share * height) for share in _WAIST)
    row = start + int(widths[start : stop + 1].argmin())
    above, below = (
        float(widths[max(top, row - height // 5) : row + 1].max()),
        float(widths[row : stop + height // 6].max()),
    )
    if row not in (start, stop) and min(above, below) > (1 + _NARROWING) * widths[row]:
        return float(row), True
    (x, y), (other, lower) = trunk.shoulders[1], trunk.shoulders[-1]
    half = max(abs(x - other) / 2, 1.0)
    return min((y + lower) / 2 + _WAIST_BELOW * half, top + 0.6 * height), False

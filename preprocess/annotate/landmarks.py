"""A garment's landmarks by its outline alone, in AI-Hub's format: COCO's 17 slots, filled by kind.

upper: shoulders (5, 6), sleeves (7–10: elbow and cuff of long ones, the end of short ones as elbow), hem (11, 12).
lower: waist (11, 12), then the ends of shorts and short skirts (13, 14), or knees and ends (13–16).
dress: shoulders and sleeves as above, waist (11, 12), middle (13, 14), hem (15, 16).

The garment is taken to hang or lie upright, its front to the camera: the wearer's left is on the right.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.pictures import Mask
from schemas import NUM_KEYPOINTS, Garment

Points = dict[int, tuple[float, float]]
"""Slot → x, y in pixels."""

_SHOULDER: Final = 0.40
"""How far from the middle the shoulders' points are, in widths of the body."""
_SLEEVE: Final = 0.02
"""A sleeve is at least this share of the garment."""
_ARMPIT: Final = 0.35
"""How far below the shoulder a sleeve begins at the latest, in widths of the body."""
_LONG_SLEEVE: Final = 1.3
"""From the shoulder to the cuff, in widths of the body: a longer sleeve is a long one."""
_LONG_LOWER: Final = 2.0
"""Height of a lower garment in widths of its waist: a longer one reaches beyond the knee."""
_EDGE: Final = 0.03
"""Hem and waist are read this share of the height inside, where the outline is not yet rounded."""


def garment_landmarks(mask: Mask, kind: Garment) -> NDArray[np.float64]:
    """Return (17, 3): x, y in pixels and 2 where known, else zeros. Raise ValueError for an empty mask."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        raise ValueError("an empty mask has no landmarks")
    top, bottom = int(rows[0]), int(rows[-1])
    points = _lower(mask, top, bottom) if kind == "lower" else _top(mask, top, bottom, kind)
    landmarks = np.zeros((NUM_KEYPOINTS, 3))
    for slot, (x, y) in points.items():
        landmarks[slot] = x, y, 2.0
    return landmarks


def _top(mask: Mask, top: int, bottom: int, kind: Garment) -> Points:
    height = bottom - top
    middle = _middle(mask, top + height // 4, bottom)
    bottom = _last(mask, middle, bottom)  # sleeves may hang lower than the hem
    low = _at(top, bottom, 1 - _EDGE)
    # The narrowest rows are those where no sleeve lies against the body.
    widths = [right - left for left, right in (_run(mask, y, middle) for y in range(top + height // 3, low))]
    width = float(np.percentile(widths, 25)) if widths else 1.0
    points: Points = {}
    for slot, side in ((5, 1), (6, -1)):
        x = round(middle + side * _SHOULDER * width)
        column = np.flatnonzero(mask[:, min(max(x, 0), mask.shape[1] - 1)])
        y = int(column[0]) if column.size else top
        points[slot] = (x, y)
        points |= _sleeve(mask, slot, (x, y), middle + side * 0.52 * width, side, width)
    hem = (11, low) if kind == "upper" else (15, low)
    levels = [hem] if kind == "upper" else [(11, _waist(mask, top, bottom, middle)), hem]
    if kind == "dress":
        levels.append((13, (levels[0][1] + low) // 2))
    for slot, y in levels:
        left, right = _run(mask, y, middle)
        points |= {slot: (right, y), slot + 1: (left, y)}
    return points


def _sleeve(mask: Mask, shoulder: int, start: tuple[float, float], edge: float, side: int, width: float) -> Points:
    """Return elbow and cuff of the sleeve beyond the ``edge`` of the body, nothing where there is none."""
    beyond = _from_above(mask & ((np.arange(mask.shape[1]) - edge) * side > 0), start[1] + _ARMPIT * width)
    if beyond.sum() < _SLEEVE * mask.sum():
        return {}
    y, x = np.nonzero(beyond)
    away = np.hypot(x - start[0], y - start[1])
    far = away >= np.percentile(away, 97)
    cuff = float(x[far].mean()), float(y[far].mean())
    if away.max() < _LONG_SLEEVE * width:
        return {shoulder + 2: cuff}
    half = np.abs(away - away.max() / 2) < 0.04 * away.max()
    elbow = (float(x[half].mean()), float(y[half].mean())) if half.any() else start
    return {shoulder + 2: elbow, shoulder + 4: cuff}


def _from_above(mask: Mask, armpit: float) -> Mask:
    """Return the pieces of a mask that begin above the armpit: a sleeve does, the flare of a skirt does not."""
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    high = stats[:, cv2.CC_STAT_TOP] < armpit
    high[0] = False
    found: Mask = high[numbers]
    return found


def _last(mask: Mask, middle: float, bottom: int) -> int:
    """Return the last row of the body: of the columns about its middle."""
    reach = max(1, round(0.02 * mask.shape[1]))
    column = mask[:, max(0, round(middle) - reach) : round(middle) + reach + 1].any(axis=1)
    rows = np.flatnonzero(column)
    return int(rows[-1]) if rows.size else bottom


def _waist(mask: Mask, top: int, bottom: int, middle: float) -> int:
    """Return the row where a dress is narrowest, between a quarter and a half of its height."""
    rows = range(_at(top, bottom, 0.25), _at(top, bottom, 0.5) + 1)
    return min(rows, key=lambda y: _run(mask, y, middle)[1] - _run(mask, y, middle)[0])


def _lower(mask: Mask, top: int, bottom: int) -> Points:
    height = bottom - top
    middle = _middle(mask, top, top + max(1, height // 4))
    waist, low = _at(top, bottom, _EDGE), _at(top, bottom, 1 - _EDGE)
    left, right = _run(mask, waist, middle)
    points: Points = {11: (right, waist), 12: (left, waist)}
    ends, knees = _ends(mask, low, middle), _ends(mask, (waist + low) // 2, middle)
    if height < _LONG_LOWER * max(1, right - left):
        return points | {13: ends[0], 14: ends[1]}
    return points | {13: knees[0], 14: knees[1], 15: ends[0], 16: ends[1]}


def _ends(mask: Mask, y: int, middle: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the left and the right point of a row: the middles of two legs, else the corners of a skirt."""
    runs = _runs(mask[y])
    widest = sorted(sorted(runs, key=lambda run: run[0] - run[1])[:2])
    if len(widest) == 2 and widest[0][1] < middle < widest[1][0]:
        right, left = ((start + end) / 2 for start, end in widest)
        return (left, y), (right, y)
    start, end = _run(mask, y, middle)
    return (end, y), (start, y)


def _middle(mask: Mask, first: int, last: int) -> float:
    """Return the median of the middles of rows: the column that the garment hangs from."""
    middles = [(row[0] + row[-1]) / 2 for row in map(np.flatnonzero, mask[first : last + 1]) if row.size]
    return float(np.median(middles)) if middles else mask.shape[1] / 2


def _run(mask: Mask, y: int, middle: float) -> tuple[float, float]:
    """Return the first and the last column of the row's run that is nearest to the middle."""
    runs = _runs(mask[y])
    if not runs:
        return middle, middle
    return min(runs, key=lambda run: max(run[0] - middle, middle - run[1], 0))


def _runs(row: NDArray[np.bool_]) -> list[tuple[float, float]]:
    edges = np.flatnonzero(np.diff(row.astype(np.int8), prepend=0, append=0))
    return [(float(start), float(end - 1)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _at(top: int, bottom: int, share: float) -> int:
    return round(top + (bottom - top) * share)

"""Notches of an outline: places where it bends inwards and opens downwards, as at armpits and the crotch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.formats.images import Mask
from preprocess.loading.outline.upright import SIZE

_ARM: Final = 0.06
"""Distance along the outline at which the bend is measured, as a share of the garment's longer side."""
_WIDEST: Final = np.deg2rad(150)
"""Widest angle of a notch."""
_DOWN: Final = 0.35
"""A notch opens downwards if its direction, a unit vector, has at least this part."""


@dataclass(frozen=True)
class Notch:
    """A place on the outline."""

    x: float
    y: float
    angle: float
    """Angle of the opening, radians"""
    down: float
    """Downward part of the opening's direction"""
    small: bool
    """Whether it was looked for at a finer scale"""


def outline(mask: Mask) -> NDArray[np.float64]:
    """Return the points (n, 2) of the longest outline."""
    found, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    longest = max(found, key=len)
    return np.asarray(longest[:, 0], np.float64)


def opened(mask: Mask) -> Mask:
    """Return the mask with its large holes opened downwards: a hanging sleeve's end may touch the trunk."""
    count, numbers, stats, _ = cv2.connectedComponentsWithStats((~mask).view(np.uint8), connectivity=4)
    if count <= 2:
        return mask
    result = mask.copy()
    for number in range(1, count):
        x, y, width, height, _ = stats[number]
        if x == 0 and y == 0:
            continue  # what lies around
        low = y + height - 1
        column = x + int(np.flatnonzero(numbers[low, x : x + width] == number).mean())
        result[low:, max(0, column - 1) : column + 2] = False
    return result


def notches(mask: Mask, *, share: float = _ARM) -> list[Notch]:
    """Return the notches that open downwards, one for each bend.

    ``share`` is the distance along the outline at which it bends, as a share of the garment's longer side.
    """
    points = outline(mask)
    arm = max(3, round(share * SIZE))
    if len(points) < 4 * arm:
        return []
    before, after = np.roll(points, arm, axis=0) - points, np.roll(points, -arm, axis=0) - points
    before /= np.maximum(np.hypot(*before.T), 1e-6)[:, None]
    after /= np.maximum(np.hypot(*after.T), 1e-6)[:, None]
    angle = np.arccos(np.clip((before * after).sum(axis=1), -1, 1))
    bisector = before + after
    bisector /= np.maximum(np.hypot(*bisector.T), 1e-6)[:, None]
    outside = points + 4 * bisector
    columns = np.clip(np.round(outside[:, 0]).astype(int), 0, mask.shape[1] - 1)
    rows = np.clip(np.round(outside[:, 1]).astype(int), 0, mask.shape[0] - 1)
    good = (angle < _WIDEST) & (bisector[:, 1] > _DOWN) & ~mask[rows, columns]
    found: list[Notch] = []
    taken = np.zeros(len(points), np.bool_)
    for index in np.argsort(angle):
        if not good[index]:
            continue
        if not taken[index]:
            x, y = points[index]
            found.append(Notch(float(x), float(y), float(angle[index]), float(bisector[index, 1]), share < _ARM))
        taken[np.arange(index - arm, index + arm + 1) % len(points)] = True
    return found

"""Notches of an outline: places where it bends inwards, as at armpits, the crotch, and below a hood."""

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
_DOWN, _UP = -0.45, 0.35
"""Downward parts of a notch's direction, a unit vector: one that opens downwards has at least the first, one that opens
upwards at most the second. Above a wide belly an armpit opens sideways, and so does the notch where a hanging sleeve is
set in.
"""

Points = NDArray[np.float64]


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
    index: int
    """Of the point in the outline"""


def outline(mask: Mask) -> Points:
    """Return the points (n, 2) of the longest outline, clockwise as one sees it."""
    found, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    # OpenCV goes round the other way.
    return np.asarray(max(found, key=len)[::-1, 0], np.float64)


def opened(mask: Mask) -> Mask:
    """Return the mask with its holes opened downwards: a hanging sleeve's end may touch the trunk."""
    found, tree = cv2.findContours(mask.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    holes = [contour[:, 0] for contour, node in zip(found, tree[0], strict=True) if node[3] >= 0]
    if not holes:
        return mask
    result = mask.copy()
    for hole in holes:
        # The points lie around the hole.
        low = int(hole[:, 1].max()) - 1
        column = round(float(hole[hole[:, 1] >= low, 0].mean()))
        result[low:, max(0, column - 1) : column + 2] = False
    return result


def notches(points: Points, *, share: float = _ARM, upwards: bool = False) -> list[Notch]:
    """Return an outline's notches that open downwards, or ``upwards`` and sideways, one for each bend.

    ``share`` is the distance along the outline at which it bends, as a share of the garment's longer side.
    """
    arm = max(3, round(share * SIZE))
    count = len(points)
    if count < 4 * arm:
        return []
    round_trip = np.concatenate([points[-arm:], points, points[:arm]])
    before, after = round_trip[:count] - points, round_trip[2 * arm :] - points
    before /= np.maximum(np.hypot(before[:, 0], before[:, 1]), 1e-6)[:, None]
    after /= np.maximum(np.hypot(after[:, 0], after[:, 1]), 1e-6)[:, None]
    cosine = (before * after).sum(axis=1)
    # The outline turns left, which is inwards, where `after` lies to the left of the way here.
    inwards = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0] > 0
    bisector = before + after
    down = bisector[:, 1] / np.maximum(np.hypot(bisector[:, 0], bisector[:, 1]), 1e-6)
    good = np.flatnonzero((cosine > np.cos(_WIDEST)) & inwards & (down <= _UP if upwards else down > _DOWN))
    found: list[Notch] = []
    taken = np.zeros(count, np.bool_)
    for index in good[np.argsort(-cosine[good], kind="stable")]:
        if not taken[index]:
            x, y = points[index]
            angle = float(np.arccos(np.clip(cosine[index], -1, 1)))
            found.append(Notch(float(x), float(y), angle, float(down[index]), share < _ARM, int(index)))
        taken[np.arange(index - arm, index + arm + 1) % count] = True
    return found

"""Confidence in landmarks: how far they agree with each other and with a garment's build."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from preprocess.loading.outline.hems import hem_notch
from preprocess.loading.outline.trunk import Trunk
from preprocess.loading.outline.upright import SIZE, XY, Upright
from schemas import Garment, Keypoint

Marks = Mapping[Keypoint, XY]

_SYMMETRIC: Final = 0.6
"""Symmetry of an ordinary garment, an IoU: sleeves may lie at different angles."""
_DOUBTFUL: Final = 0.45
"""Factor of the confidence for something that is seldom right."""
_HIDDEN: Final = 0.8
"""Factor for a point that one side alone has, because something covers the other's."""
_COLLAPSED: Final = 0.3
"""Factor for points that cannot be a garment's."""
_NARROW, _FLAT = 0.1, 0.15
"""Least distance of left and right, of upper and lower points, as a share of the garment's size."""
_LEVEL, _TILTED = 0.03, 0.02
"""Usual difference of the two shoulders' heights above the hem, and what more makes the confidence zero, in that
share."""
_OFF_PIT: Final = 0.6
"""Farthest shoulder from the armpit's column, in half trunk widths."""
_SHOULDER, _ELBOW, _WRIST = Keypoint.LEFT_SHOULDER, Keypoint.LEFT_ELBOW, Keypoint.LEFT_WRIST
_HIP, _KNEE, _ANKLE = Keypoint.LEFT_HIP, Keypoint.LEFT_KNEE, Keypoint.LEFT_ANKLE


def confidence(shape: Upright, trunk: Trunk | None, marks: Marks, garment: Garment) -> float:
    """Return how far the points agree with a garment's build, in [0, 1]. ``trunk`` is that of a top or a dress."""
    sure = shape.whole * min(1.0, shape.symmetry / _SYMMETRIC)
    for left in (_SHOULDER, _HIP, _KNEE, _ANKLE):
        if left in marks and left.mirrored in marks:
            sure *= 1.0 if marks[left][0] - marks[left.mirrored][0] > _NARROW * SIZE else _COLLAPSED
    if trunk is not None:
        sure *= _sleeves(marks) * _shoulders(trunk, marks) * _hem(trunk, marks)
        lower = _HIP if any(slot in marks for slot in (_HIP, _HIP.mirrored)) else _ANKLE
        return sure * _tall(marks, _SHOULDER, lower)
    lower = _KNEE if _KNEE in marks and garment == "lower" else _ANKLE
    return sure * _tall(marks, _HIP, lower)


def _tall(marks: Marks, upper: Keypoint, lower: Keypoint) -> float:
    """Return a factor: the lower points lie below the upper ones."""
    sides = [(marks[a], marks[b]) for a, b in ((upper, lower), (upper.mirrored, lower.mirrored))
             if a in marks and b in marks]  # fmt: skip
    return 1.0 if sides and all(b[1] - a[1] > _FLAT * SIZE for a, b in sides) else _COLLAPSED


def _sleeves(marks: Marks) -> float:
    """Return a factor: two shoulders have two sleeves of one kind, or none."""
    if not (_SHOULDER in marks and _SHOULDER.mirrored in marks):
        return 1.0
    alike = all((slot in marks) == (slot.mirrored in marks) for slot in (_ELBOW, _WRIST))
    return 1.0 if alike else _DOUBTFUL


def _shoulders(trunk: Trunk, marks: Marks) -> float:
    """Return a factor: the shoulders are as high as each other, and above the armpits."""
    factor = 1.0
    for side, pit in trunk.pits.items():
        x, y = marks[_SHOULDER if side == 1 else _SHOULDER.mirrored]
        off = abs(x + trunk.lean * (pit.y - y) - pit.x)
        factor *= 1.0 if off < _OFF_PIT * trunk.half else _DOUBTFUL
    slots = _SHOULDER, _SHOULDER.mirrored, _HIP, _HIP.mirrored
    if not all(slot in marks for slot in slots):
        return factor
    left, right, low, other = (np.array(marks[slot]) for slot in slots)
    down = low + other - left - right
    uneven = abs(float((left - right) @ down)) / max(float(np.hypot(*down)), 1e-6) / SIZE
    return factor * (1 - min(1.0, max(0.0, uneven - _LEVEL) / _TILTED))


def _hem(trunk: Trunk, marks: Marks) -> float:
    """Return a factor: nothing reaches below the hem, and it is not covered."""
    if any(hem_notch(trunk, side) for side in (1, -1)):
        return _DOUBTFUL
    both = (_HIP in marks) == (_HIP.mirrored in marks)
    return 1.0 if both else _HIDDEN

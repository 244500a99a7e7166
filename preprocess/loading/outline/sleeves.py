"""A limb's middle line: the half and the end of a sleeve."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from preprocess.formats.images import Mask
from preprocess.loading.outline.arcs import straight
from preprocess.loading.outline.upright import XY

_FITTED_LONG: Final = (0.7, 0.93)
"""Part of a long sleeve whose middle line gives its direction, as shares of its length."""
_ROOT: Final = (0.2, 0.4)
"""Where a sleeve's middle line starts: inside of and below the shoulder, in half shoulder widths."""
_CUT: Final = 3
"""Distance from the armpit's column at which a part of a sleeve counts as cut off, pixels."""
_BOW: Final = (0.2, 0.5, 0.88)
"""Where a sleeve's outer edge is compared, as shares of its length,"""
_WHOLE_BOW: Final = 1.46
"""and the bend of the whole in that of this part."""
_LEAST: Final = 20
"""Least length of such a sleeve, pixels."""
_FREE: Final = 0.18
"""Least part of a long sleeve beyond the armpit; the end of one that is folded over the trunk is not on the outline."""
_ENDS: Final = 0.5
"""A limb ends where its width falls below this share of its usual width."""

Numbers = NDArray[np.float64]


def end_of(mask: Mask, root: XY, *, fitted: tuple[float, float]) -> XY:
    """Return the middle of a limb's far end."""
    ys, xs = np.nonzero(mask)
    places = np.stack([xs, ys], axis=1).astype(np.float64) - root
    towards = places.mean(axis=0)
    if fitted[0] > 0.5:
        far = np.hypot(*places.T)
        outer_half = places[far > 0.5 * far.max()].mean(axis=0)
        towards = places[far > 0.8 * far.max()].mean(axis=0) - outer_half
    origin = np.zeros(2)
    end = places.mean(axis=0)
    for _ in range(3):
        towards = towards / max(float(np.hypot(*towards)), 1e-6)
        across = np.array((-towards[1], towards[0]))
        along, beside = (places - origin) @ towards, (places - origin) @ across
        used = along > 0
        bins = np.floor(along[used]).astype(int)
        widths = np.bincount(bins).astype(np.float64)
        if len(widths) < 4:
            return float(end[0] + root[0]), float(end[1] + root[1])
        middles = np.bincount(bins, beside[used]) / np.maximum(widths, 1)
        outer = widths[len(widths) // 2 : max(int(0.85 * len(widths)), len(widths) // 2 + 1)]
        usual = float(np.median(outer)) or 1.0
        last = int(np.flatnonzero(widths >= _ENDS * usual)[-1])
        start, stop = int(fitted[0] * last), max(int(fitted[1] * last), int(fitted[0] * last) + 2)
        at = np.arange(start, min(stop, len(middles)))
        slope, base = straight(at + 0.5, middles[at]) if len(at) >= 3 else (0.0, float(middles[at].mean()))
        end = origin + (last + 0.5) * towards + (base + slope * (last + 0.5)) * across
        towards = towards + slope * across
    return float(end[0] + root[0]), float(end[1] + root[1])


def half_of(mask: Mask, root: XY, end: XY, pit: XY) -> XY:
    """Return the point of the middle line that is as far from the root as from the end.

    Above the armpit a hanging sleeve shows its outer part alone: there, the straight line's half is nearer.
    """
    ys, xs = np.nonzero(mask)
    halfway = (root[0] + end[0]) / 2, (root[1] + end[1]) / 2
    near, far = np.hypot(xs - root[0], ys - root[1]), np.hypot(xs - end[0], ys - end[1])
    between = np.abs(near - far) <= max(2.0, 0.03 * float(np.hypot(end[0] - root[0], end[1] - root[1])))
    if not between.any() or np.abs(xs[between] - pit[0]).min() <= _CUT:
        return halfway[0] + _bow(mask, root, end), halfway[1]
    return float(xs[between].mean()), float(ys[between].mean())


def _bow(mask: Mask, root: XY, end: XY) -> float:
    """Return how many columns a hanging sleeve bends at its half, as its outer edge shows it."""
    side = 1 if end[0] > root[0] else -1
    down = end[1] - root[1]
    if down < abs(end[0] - root[0]) or down < _LEAST:
        return 0.0
    places = []
    for share in _BOW:
        near = slice(round(root[1] + (share - 0.05) * down), round(root[1] + (share + 0.05) * down) + 1)
        rows = mask[near][mask[near].any(axis=1)]
        if not len(rows):
            return 0.0
        outermost = mask.shape[1] - 1 - rows[:, ::-1].argmax(axis=1) if side == 1 else rows.argmax(axis=1)
        places.append(float(outermost.mean()))
    high, middle, low = _BOW
    straight_on = places[0] + (places[2] - places[0]) * (middle - high) / (low - high)
    return _WHOLE_BOW * (places[1] - straight_on)


def sleeve_points(mask: Mask, shoulder: XY, pit: XY, half: float, side: int) -> tuple[XY, XY] | None:
    """Return (elbow, wrist) of a long sleeve, None for one that is folded over the trunk."""
    start = shoulder[0] - side * _ROOT[0] * half, shoulder[1] + _ROOT[1] * half
    root = (shoulder[0] + pit[0]) / 2, (shoulder[1] + pit[1]) / 2
    ys, xs = np.nonzero(mask)
    reach = float(np.hypot(xs - shoulder[0], ys - shoulder[1]).max())
    wrist = end_of(mask, root, fitted=_FITTED_LONG)
    if np.hypot(wrist[0] - pit[0], wrist[1] - pit[1]) < _FREE * reach:
        return None  # it lies on the trunk
    return half_of(mask, start, wrist, pit), wrist

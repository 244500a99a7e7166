"""A limb's middle line: the half and the end of a sleeve."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from preprocess.formats.images import Mask
from preprocess.loading.outline.upright import XY

_FITTED: Final = (0.35, 0.85)
"""Part of a short sleeve whose middle line gives its direction, as shares of its length."""
_FITTED_LONG: Final = (0.7, 0.93)
_LONG: Final = 1.7
"""Least length of a long sleeve, in half shoulder widths."""
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
        towards = places[far > 0.8 * far.max()].mean(axis=0) - places[(far > 0.5 * far.max()) & (far < 0.7 * far.max())].mean(axis=0)
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
        usual = float(np.median(widths[widths > 0]))
        usual = float(np.median(widths[int(0.5 * len(widths)) : max(int(0.85 * len(widths)), int(0.5 * len(widths)) + 1)])) or usual
        last = int(np.flatnonzero(widths >= _ENDS * usual)[-1])
        start, stop = int(fitted[0] * last), max(int(fitted[1] * last), int(fitted[0] * last) + 2)
        at = np.arange(start, min(stop, len(middles)))
        slope, base = np.polyfit(at + 0.5, middles[at], 1) if len(at) >= 3 else (0.0, float(middles[at].mean()))
        end = origin + (last + 0.5) * towards + (base + slope * (last + 0.5)) * across
        towards = towards + slope * across
    return float(end[0] + root[0]), float(end[1] + root[1])


def half_of(mask: Mask, root: XY, end: XY) -> XY:
    """Return the point of the middle line that is as far from the root as from the end."""
    ys, xs = np.nonzero(mask)
    near, far = np.hypot(xs - root[0], ys - root[1]), np.hypot(xs - end[0], ys - end[1])
    between = np.abs(near - far) <= max(2.0, 0.03 * float(np.hypot(end[0] - root[0], end[1] - root[1])))
    if not between.any():
        return (root[0] + end[0]) / 2, (root[1] + end[1]) / 2
    return float(xs[between].mean()), float(ys[between].mean())


def sleeve_points(mask: Mask, shoulder: XY, pit: XY, half: float) -> tuple[XY | None, XY | None]:
    """Return (elbow, wrist) of a sleeve: a short one has its end at the elbow's slot."""
    root = (shoulder[0] + pit[0]) / 2, (shoulder[1] + pit[1]) / 2
    ys, xs = np.nonzero(mask)
    reach = float(np.hypot(xs - root[0], ys - root[1]).max())
    if reach < _LONG * half:
        return end_of(mask, root, fitted=_FITTED), None
    wrist = end_of(mask, root, fitted=_FITTED_LONG)
    return half_of(mask, root, wrist), wrist

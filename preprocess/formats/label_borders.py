"""Label maps that were averaged: by JPEG, or by scaling or blurring with a smooth filter.

Numbers of labels cannot be averaged: between background (0) and face (13) the mean is another label, so the borders of
such a map are lined with labels of garments that are not there. An averaged map is recognised by its border pixels: few
of them belong to a patch of 3x3 pixels of their own label, and their label is not found nearby either. It is
repaired by the labels of the large patches around: each border pixel gets the nearest one.

A map may have been averaged at a small size and then enlarged by nearest neighbour: its wrong labels are patches of
several pixels. So a map is also checked without its repeated rows and columns (`Small`).
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.uint8]

_PATCH = np.ones((3, 3), np.uint8)
_CORE = np.ones((5, 5), np.uint8)
_NEARBY = np.ones((9, 9), np.uint8)
_LOST = 0.08
"""Share of the border pixels outside any patch above which a map is looked at closely: 0.02 or less in sound ones."""
_ALIEN = 0.09
"""Minimum share of the border pixels whose label is found nowhere nearby for a map to count as averaged."""
# In a coarse map that is sound, thin parts such as a strap or a lock of hair are lone pixels as well.
_MIXED = ((85, 0.15), (200, 0.08))
"""Rows → minimum share of the border pixels that are alien and between the numbers around them, in a map of fewer."""
_MUCH_SMALLER = 0.5
"""Maximum share of a map's pixels left without its repeated rows and columns for it to be checked at that size."""
_SMALLEST_CORE = 0.00005
"""Patches below this share of the map are no evidence for their label."""
_REACH = 9.0
"""Distance in pixels, at 1,024 rows, within which a border pixel must have a patch for its label to be known."""
_UNREACHED = 0.02
"""Share of the map that may be farther off: more is not a border, and cannot be repaired."""
_WIDEST = 6.0
"""Pixels beside each border pixel that may change; farther ones no longer belong to the border."""
_THICK = 0.0165
"""Side of a patch that is no band, as a share of the map's height."""
_MANY_BANDS = 4
"""Number of labels without such a patch from which they are bands: not so many worn things are thin."""
_LIKE = 0.15
"""Pixels of distance that a difference of one number counts as: an averaged number is near the one it was."""


class Borders(NamedTuple):
    """Shares of the pixels along borders, in [0, 1]."""

    lost: float
    """In no 3x3 patch of their own label"""
    alien: float
    """Of a label without a patch nearby; computed only where many are lost, else 0"""
    mixed: float
    """Of the alien ones, those between the least and the greatest number around them"""
    rows: int
    """Of the map"""

    @property
    def averaged(self) -> bool:
        """Whether the numbers were averaged."""
        least = next((share for rows, share in _MIXED if self.rows < rows), 0.0)
        return self.lost > _LOST and self.alien > _ALIEN and self.mixed >= least


def borders_of(numbers: Numbers) -> Borders:
    """Return how many pixels along borders belong to no patch of their label."""
    uniform = _uniform(numbers, _PATCH)
    count = uniform.size - int(cv2.countNonZero(uniform))
    if not count:
        return Borders(0.0, 0.0, 0.0, len(numbers))
    patches = _grown(uniform, _PATCH)
    lost = patches == 0
    share = np.count_nonzero(lost) / count
    if share <= _LOST:
        return Borders(share, 0.0, 0.0, len(numbers))
    alien = np.zeros(numbers.shape, np.bool_)
    for number in np.flatnonzero(np.bincount(numbers[lost], minlength=256)).tolist():
        of_number = numbers == number
        near = _grown((of_number & (patches > 0)).view(np.uint8), _NEARBY)
        alien |= of_number & lost & (near == 0)
    least, greatest = cv2.erode(numbers, _PATCH), cv2.dilate(numbers, _PATCH)
    mixed = np.count_nonzero(alien & (numbers > least) & (numbers < greatest)) / count
    return Borders(share, np.count_nonzero(alien) / count, mixed, len(numbers))


class Small(NamedTuple):
    """A map without the rows and columns that repeat the one before.

    ``rows`` and ``columns`` are where each row and column of the whole map is in ``numbers``. That has a margin as wide
    as a patch, so that the background counts as one.
    """

    numbers: Numbers
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    def enlarged(self, numbers: Numbers) -> Numbers:
        """Return a map of the small map's size with the repeated rows and columns again."""
        return np.ascontiguousarray(numbers[np.ix_(self.rows, self.columns)])


def small_of(numbers: Numbers) -> Small | None:
    """Return a map without repeated rows and columns, None if that is not much smaller."""
    rows = np.concatenate([[True], (numbers[1:] != numbers[:-1]).any(axis=1)])
    columns = np.concatenate([[True], (numbers[:, 1:] != numbers[:, :-1]).any(axis=0)])
    small = numbers[np.ix_(rows, columns)]
    if small.size > _MUCH_SMALLER * numbers.size or min(small.shape) < len(_NEARBY):
        return None
    margin = len(_NEARBY)
    return Small(np.pad(small, margin, mode="edge"), np.cumsum(rows) - 1 + margin, np.cumsum(columns) - 1 + margin)


def repaired(numbers: Numbers, stray: NDArray[np.bool_] | None = None) -> Numbers | None:
    """Return the map with each border pixel given to the nearest large patch, None if that is not safe.

    ``stray`` are pixels that are no label at all; their numbers do not count.
    """
    solid = _uniform(numbers, _CORE)
    if stray is not None:
        solid[_grown(stray.view(np.uint8), _CORE) > 0] = 0
    core = _grown(solid, _CORE)
    if stray is not None:
        core[stray] = 0
    best = np.full(numbers.shape, np.inf, np.float32)
    result = numbers.copy()
    smallest = max(25, round(_SMALLEST_CORE * numbers.size))
    values = numbers.astype(np.float32)
    for number in np.flatnonzero(np.bincount(numbers[core > 0], minlength=256)).tolist():
        own = _large(((numbers == number) & (core > 0)).view(np.uint8), smallest)
        if not own.any():
            continue
        cost = np.asarray(cv2.distanceTransform((~own).view(np.uint8), cv2.DIST_L2, 5), np.float32)
        if stray is None:
            cost = np.where(cost > 0, cost + _LIKE * np.abs(values - number), 0)
        nearer = cost < best
        result[nearer], best[nearer] = number, cost[nearer]
    reach = max(_REACH * numbers.shape[0] / 1024, 4.0) + (0.0 if stray is not None else _LIKE * 20)
    if not np.isfinite(best).all() or float((best > reach).mean()) > _UNREACHED:
        return None
    border = np.count_nonzero(_uniform(result, _PATCH) == 0)
    return None if np.count_nonzero(result != numbers) > _WIDEST * border or _lined(result) else result


def _lined(numbers: Numbers) -> bool:
    """Return whether labels line each other in bands: averaged so widely that the bands count as patches."""
    used = np.flatnonzero(np.bincount(numbers.ravel(), minlength=256)).tolist()
    side = max(5, round(_THICK * numbers.shape[0])) | 1
    thick = _uniform(numbers, np.ones((side, side), np.uint8)) > 0
    bands = [number for number in used if not (thick & (numbers == number)).any()]
    return len(bands) >= _MANY_BANDS


def _uniform(numbers: Numbers, window: Numbers) -> Numbers:
    """Return 1 where all pixels of the window around a pixel have one label."""
    same = _grown(numbers, window) == np.asarray(cv2.erode(numbers, window), np.uint8)
    return np.asarray(same.view(np.uint8), np.uint8)


def _grown(mask: Numbers, window: Numbers) -> Numbers:
    return np.asarray(cv2.dilate(mask, window), np.uint8)


def _large(mask: Numbers, smallest: int) -> NDArray[np.bool_]:
    """Return the mask without its patches below ``smallest`` pixels."""
    _, numbered, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    keep = np.asarray(stats[:, cv2.CC_STAT_AREA] >= smallest)
    keep[0] = False
    return np.asarray(keep[numbered], np.bool_)

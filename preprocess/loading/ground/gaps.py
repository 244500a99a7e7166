"""Gaps and notches of a garment's outline: which of them show the background, and which are cloth in its colour.

In what follows ``cheap`` is what an outline costs at or beside each pixel (h, w): little where an edge is near.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.masks import coarsely_closed, dilated, enclosed, eroded
from preprocess.formats.images import Mask
from preprocess.loading.ground.second_opinions import areas

F32 = NDArray[np.float32]

_AREA = 0.001
"""Minimum area that is decided, as a share of the garment."""
_GAPLESS = 0.15
"""Mean cost of the outline of an enclosed area above which it is no gap."""
_OFF_EDGE = 0.3
"""Minimum mean cost of an outline that is not on an edge, where another's costs half of that."""
_FADING = 0.9
"""Slope, in L*a*b* per pixel, below which cloth fades into a white background."""
_NOTCH = 0.2
"""Radius of the notches that may be such cloth, as a share of the garment's longer side."""
_NOTCHES = (0.003, 0.1)
"""Range of the area of one that is filled, as a share of the garment."""
_SEEN = 0.6
"""Minimum share of a true notch's border to the garment that is that steep."""
_IN_SHADOW = 0.5
"""Minimum darkness of a gap, as a multiple of that of the background beside the garment."""


def without_false_gaps(mask: Mask, cheap: F32) -> Mask:
    """Fill enclosed areas that an edge does not surround: around a true gap there is one everywhere."""
    for area in areas(enclosed(mask), 0.0):
        if mean_of(cheap, dilated(area, 1) & ~area) > _GAPLESS:
            mask = mask | area
    return mask


def without_shadows(mask: Mask, other: Mask, cheap: F32, darkness: F32) -> Mask:
    """Remove areas that are outside another outline and as dark as a shadow, such as the gap beside a sleeve.

    ``darkness``: of each pixel (h, w), as a multiple of that of the background beside the garment. A gap is in shadow;
    cloth that is as bright as the background is not. A gap is open to the outside; an area in the middle of the garment
    may be a print.
    """
    both, neither = mask & other, ~(mask | other)
    for core in areas(eroded(mask & ~other, 1), _AREA * float(mask.sum())):
        area = dilated(core, 2) & mask & ~other
        beside = dilated(area, 1) & ~area
        if not (beside & neither).any():
            continue
        own, others = (mean_of(cheap, beside & dilated(side, 1)) for side in (neither, both))
        if own > max(_OFF_EDGE, 2 * others) and float(np.median(darkness[area])) > _IN_SHADOW:
            mask = mask & ~area
    return mask


def without_faded_notches(mask: Mask, slope: F32) -> tuple[Mask, int]:
    """Fill notches that are not seen to end at the garment: a true one has a clear edge.

    Return the mask, and the number of pixels of such notches that are too large to be filled.

    White cloth fades into a white background where it is as bright: its outline then turns inwards.
    """
    notches = coarsely_closed(mask, _NOTCH) & ~mask
    steep = cv2.dilate(slope, np.ones((5, 5), np.uint8)) > _FADING
    filled, doubtful = mask.copy(), 0
    for notch in areas(eroded(notches, 1), _NOTCHES[0] * float(mask.sum())):
        rim = dilated(notch, 2) & mask
        if not rim.any() or float(steep[rim].mean()) >= _SEEN:
            continue
        if notch.sum() < _NOTCHES[1] * mask.sum():
            filled |= dilated(notch, 2) & notches
        else:
            doubtful += int(notch.sum())
    return filled, doubtful


def mean_of(values: F32, where: Mask) -> float:
    """Return the mean of the values (h, w) there; 1 if there are none."""
    return float(values[where].mean()) if where.any() else 1.0

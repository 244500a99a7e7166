"""Fills notches of an outline that are prints: a white dot at the edge of a garment has no edge towards white ground.

A garment with a print shows it whole elsewhere. A notch that is bounded by edges where it meets cloth, that is no
larger than those whole prints and has their colour, is one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.masks import dilated, eroded
from preprocess.formats.images import Mask
from preprocess.loading.ground.second_opinions import areas

F32 = NDArray[np.float32]

_SIZES = (0.002, 0.05)
"""Range of a print's area, as a share of the garment."""
_ALIKE = (0.6, 1.6)
"""Areas of prints of one kind, as multiples of their median."""
_LEAST = 3
"""Minimum number of whole prints."""
_ROUND = 0.6
"""Minimum share of its smallest circle that a print has."""
_WIDER = 1.8
"""Radius of the widest notch that is closed, in a print's: the outline runs straight across half a print."""
_PART = (0.08, 1.2)
"""Range of the area of a print at the outline, as a share of a whole one."""
_EDGE = 0.3
"""Maximum cost of an outline on an edge."""
_BOUNDED = 0.6
"""Minimum share of a notch's border to the garment that lies on edges."""
_COLOUR = (14.0, 6.0)
"""Maximum distance from the prints' colour in L*, for they are shaded, and in a*b*."""


class _Prints(NamedTuple):
    """Whole prints: their median area in pixels and their colours (n, 3)."""

    area: float
    colours: F32


def with_prints(mask: Mask, difference: F32, cheap: F32) -> Mask:
    """Return a garment's mask (h, w) with the prints that its outline leaves out.

    ``difference`` (h, w, 3) is the image's from its background in L*a*b*, ``cheap`` what an outline costs near a pixel.
    """
    prints = _whole_prints(mask, difference, cheap)
    if prints is None:
        return mask
    for notch in _notches(mask, prints.area):
        border = dilated(notch, 1) & mask
        if not border.any() or float((cheap[border] < _EDGE).mean()) < _BOUNDED:  # cut off at a thin line
            continue
        away = np.abs(prints.colours - np.median(difference[notch], axis=0))
        if ((away[:, 0] < _COLOUR[0]) & (np.hypot(away[:, 1], away[:, 2]) < _COLOUR[1])).any():
            mask = mask | dilated(notch, 1)
    return mask


def _whole_prints(mask: Mask, difference: F32, cheap: F32) -> _Prints | None:
    """Return the prints of one size inside a garment, None if there are hardly any."""
    least, most = (share * float(mask.sum()) for share in _SIZES)
    inside = eroded(mask, 3)
    found = [area for area in areas(mask & (cheap >= _EDGE), least)
             if area.sum() <= most and not (area & ~inside).any() and _is_round(area)]  # fmt: skip
    sizes = np.array([float(dilated(area, 2).sum()) for area in found])
    if len(sizes) < _LEAST:
        return None
    usual = float(np.median(sizes))
    same = (sizes > _ALIKE[0] * usual) & (sizes < _ALIKE[1] * usual)
    if int(same.sum()) < _LEAST:
        return None
    colours = [np.median(difference[area], axis=0) for area, good in zip(found, same, strict=True) if good]
    return _Prints(usual, np.asarray(colours, np.float32))


def _is_round(area: Mask) -> bool:
    contours, _ = cv2.findContours(area.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    _, radius = cv2.minEnclosingCircle(contours[0])
    return float(area.sum()) > _ROUND * np.pi * max(radius, 1.0) ** 2


def _notches(mask: Mask, area: float) -> Iterator[Mask]:
    """Yield the notches of an outline that a print of an area may fill."""
    radius = round(_WIDER * float(np.sqrt(area / np.pi)))
    padded = np.pad(mask, radius + 1).view(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, kernel)[radius + 1 : -radius - 1, radius + 1 : -radius - 1]
    for notch in areas(eroded(closed.view(np.bool_) & ~mask, 1), _PART[0] * area):
        whole = dilated(notch, 1) & ~mask
        if float(whole.sum()) <= _PART[1] * area:
            yield whole

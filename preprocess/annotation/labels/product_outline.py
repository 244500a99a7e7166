"""Cleans a garment's outline before landmarks are derived from it: removes hooks, straps and uneven ends.

Landmarks of hem and waist are read a few rows inside the outline, which is right for a carefully laid out garment. On
photographs a hem hangs in an arc and garments lie slightly rotated: their last rows are one corner. The cleaned outline
is used for landmarks only; the garment's own mask keeps everything.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.masks import largest_piece
from preprocess.formats.images import Mask
from schemas import Garment

_THIN: Final = 0.03
"""Largest half-width of straps and hooks, as a share of the garment's size (the square root of its area)."""
_END: Final = 0.25
"""Share of the height, at an end, over which its median width is computed."""
_WHOLE: Final = 0.7
"""A row belongs to the garment's end if it has this share of the median width on both sides of the middle."""

Widths = NDArray[np.float64]
"""(rows, 2): pixels left and right of the middle."""


def for_landmarks(mask: Mask, kind: Garment) -> Mask:
    """Return the mask (h, w) without thin parts and uneven ends; unchanged if nothing would be left."""
    solid = _without_thin_parts(mask)
    rows = np.flatnonzero(solid.any(axis=1))
    first, last = int(rows[0]), int(rows[-1])
    middle = _middle(solid[first : last + 1])
    depth = max(1, round(_END * (last - first + 1)))
    widths = _beside if kind == "lower" else _around
    low = last - _uneven(widths(solid[last - depth + 1 : last + 1][::-1], middle))
    even = solid.copy()
    if kind == "lower":
        even[low + 1 :] = False
        even[: first + _uneven(widths(solid[first : first + depth], middle))] = False
    else:
        left, right = _around(solid[low : low + 1], middle)[0].astype(int)
        even[low + 1 :, max(0, middle - left) : middle + right + 1] = False
    return even if even.any() else mask


def _without_thin_parts(mask: Mask) -> Mask:
    reach = max(1, round(_THIN * float(np.sqrt(np.count_nonzero(mask)))))
    shape = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    bordered = cv2.copyMakeBorder(mask.view(np.uint8), reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    opened = cv2.morphologyEx(bordered, cv2.MORPH_OPEN, shape)[reach:-reach, reach:-reach]
    return largest_piece(opened.astype(np.bool_)) if opened.any() else mask


def _middle(shape: Mask) -> int:
    first = shape.argmax(axis=1)
    last = shape.shape[1] - 1 - shape[:, ::-1].argmax(axis=1)
    return int(np.median(((first + last) / 2)[shape.any(axis=1)]))


def _uneven(widths: Widths) -> int:
    """Return the number of rows, counted from the end, before the first of sufficient width on both sides."""
    whole = (widths >= _WHOLE * np.median(widths, axis=0)).all(axis=1)
    return int(whole.argmax())


def _beside(rows: Mask, middle: int) -> Widths:
    """Return the pixels on either side; counts both legs, although there is a gap at the middle."""
    return np.stack([rows[:, :middle].sum(axis=1), rows[:, middle:].sum(axis=1)], axis=1).astype(np.float64)


def _around(rows: Mask, middle: int) -> Widths:
    """Return the garment's extent from the middle to the first gap; excludes sleeves that hang at its sides."""
    return np.stack([_run(rows[:, middle::-1]), _run(rows[:, middle:])], axis=1).astype(np.float64)


def _run(half: Mask) -> NDArray[np.int64]:
    gap = ~half
    reach: NDArray[np.int64] = np.where(gap.any(axis=1), gap.argmax(axis=1), half.shape[1])
    return reach

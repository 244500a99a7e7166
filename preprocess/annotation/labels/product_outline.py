"""A photographed garment's outline without what misleads the rule for landmarks: hooks, straps, uneven ends.

The rule reads hem and waist a few rows inside of the outline, which is right for a garment that was laid out and cut
out with care. On photographs a hem hangs in an arc, and a garment lies a little aslant: its last rows are one corner.
Only landmarks are read off what is returned here; the garment that is cut out keeps everything.
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
"""Half the width of what counts as a strap or a hook, as a share of the garment's size (the root of its area)."""
_END: Final = 0.25
"""Share of the height at an end that its usual width is taken from."""
_WHOLE: Final = 0.7
"""A row is part of the garment's end from this share of the usual width on, on both sides of the middle."""

Widths = NDArray[np.float64]
"""(rows, 2): pixels left and right of the middle."""


def for_landmarks(mask: Mask, kind: Garment) -> Mask:
    """Return the mask (h, w) with thin parts and uneven ends taken away; itself where nothing else is left."""
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
    """Return how many rows, counted from the end, are narrower than usual on either side."""
    whole = (widths >= _WHOLE * np.median(widths, axis=0)).all(axis=1)
    return int(whole.argmax())


def _beside(rows: Mask, middle: int) -> Widths:
    """Return the pixels on either side: of legs too, which leave the middle free."""
    return np.stack([rows[:, :middle].sum(axis=1), rows[:, middle:].sum(axis=1)], axis=1).astype(np.float64)


def _around(rows: Mask, middle: int) -> Widths:
    """Return how far the garment goes on from the middle: without sleeves that hang beside it."""
    return np.stack([_run(rows[:, middle::-1]), _run(rows[:, middle:])], axis=1).astype(np.float64)


def _run(half: Mask) -> NDArray[np.int64]:
    gap = ~half
    reach: NDArray[np.int64] = np.where(gap.any(axis=1), gap.argmax(axis=1), half.shape[1])
    return reach

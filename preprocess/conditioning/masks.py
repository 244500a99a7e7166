"""Masks and their bounding boxes: most masks are empty except for a small part, and only that is processed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.formats.images import Mask, Pixels

Box = tuple[slice, slice]
"""Rows and columns."""

_COARSE = 4
"""Pixels per pixel of the reduced mask whose wide notches are closed."""


def box_of(mask: Mask | NDArray[np.uint8], margin: int = 0) -> Box | None:
    """Return the bounding box of the mask or the labels (h, w), ``margin`` pixels larger; None if they are empty."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return None
    rows, columns = mask.shape
    return (
        slice(max(0, y - margin), min(rows, y + height + margin)),
        slice(max(0, x - margin), min(columns, x + width + margin)),
    )


def longer_side(mask: Mask) -> int:
    """Return the longer side of the mask's bounding box in pixels; 0 if it is empty."""
    return max(cv2.boundingRect(mask.view(np.uint8))[2:])


def share_of(mask: Mask) -> float:
    """Return the share of the mask's pixels that are set, in [0, 1]."""
    return cv2.countNonZero(mask.view(np.uint8)) / mask.size


def largest_piece(mask: Mask) -> Mask:
    """Return only the mask's largest connected component; an empty mask for an empty one."""
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    piece: Mask = pieces == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()) if count > 1 else np.zeros_like(mask)
    return piece


def outline(mask: Mask) -> Mask:
    """Return the mask's outermost pixels, but for those along which the image's edge cuts it off."""
    ring = mask & ~eroded(mask, 1)
    ring[[0, -1]] = ring[:, [0, -1]] = False
    return ring


def from_border(mask: Mask) -> Mask:
    """Return the pieces of the mask that reach the image's border."""
    _, pieces = cv2.connectedComponents(np.pad(mask, 1, constant_values=True).view(np.uint8), connectivity=4)
    reached: Mask = (pieces == pieces[0, 0])[1:-1, 1:-1]
    return reached


def enclosed(mask: Mask) -> Mask:
    """Return the pixels outside the mask that it separates from the image's border."""
    return ~mask & ~from_border(~mask)


def without(mask: Mask, other: Mask) -> Mask:
    """Return the difference of two masks; `mask & ~other` takes twice the time."""
    return np.greater(mask, other)


def dilated(mask: Mask, radius: int) -> Mask:
    """Return the mask grown by ``radius`` pixels."""
    return _morphed(mask, cv2.MORPH_DILATE, radius, radius)


def eroded(mask: Mask, radius: int) -> Mask:
    """Return the mask shrunk by ``radius`` pixels; it is not shrunk at the image's edge."""
    return _morphed(mask, cv2.MORPH_ERODE, radius, 1)


def coarsely_closed(mask: Mask, share: float) -> Mask:
    """Return the mask with its notches closed, to within a few pixels, that a disc does not enter.

    ``share``: the disc's radius, as a share of the longer side of the mask's bounding box.
    """
    radius = max(_COARSE, round(share * longer_side(mask)))
    height, width = mask.shape
    size = max(1, width // _COARSE), max(1, height // _COARSE)
    small = cv2.resize(mask.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    padded = np.pad(small.view(np.bool_), radius)
    closed = (~dilated(~dilated(padded, radius // _COARSE), radius // _COARSE))[radius:-radius, radius:-radius]
    levels = np.ascontiguousarray(closed).view(np.uint8)
    return np.asarray(cv2.resize(levels, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8).view(np.bool_)


def _morphed(mask: Mask, operation: int, radius: int, margin: int) -> Mask:
    """Process only the mask's bounding box, ``margin`` pixels larger; the rest stays empty."""
    result = np.zeros_like(mask)
    if (box := box_of(mask, margin)) is not None:
        result[box] = cv2.morphologyEx(mask[box].view(np.uint8), operation, _disc(radius)).view(np.bool_)
    return result


@lru_cache
def _disc(radius: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


def subsampled(image: Pixels, masks: Sequence[Mask], step: int) -> tuple[Pixels, list[Mask]]:
    """Return every ``step``-th pixel of every ``step``-th row of the image and of masks of its size."""
    height, width = (size // step * step or size for size in image.shape[:2])
    small_masks = [np.ascontiguousarray(mask[:height:step, :width:step]) for mask in masks]
    # The same pixels as with slicing, in a fifth of the time.
    size = -(-width // step), -(-height // step)
    return np.asarray(cv2.resize(image[:height, :width], size, interpolation=cv2.INTER_NEAREST), np.uint8), small_masks

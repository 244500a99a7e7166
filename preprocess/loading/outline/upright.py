"""A garment's mask made small, smooth and upright: its axis of symmetry becomes a column of the canvas."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.masks import box_of
from preprocess.formats.images import Mask

XY = tuple[float, float]
SIZE: Final = 208
"""Longer side of the garment on the canvas, pixels."""
_MARGIN: Final = 6
"""Empty pixels around the garment on the canvas."""
_HOLE: Final = 0.006
"""Largest hole that is filled, as a share of the garment's area; larger ones lie between sleeve and trunk."""
_COARSE: Final = 40
"""Longer side of the garment while its axis is searched, pixels."""
_ANGLES: Final = (0.0, -4.0, 4.0, -8.0, 8.0)
"""Rotations that are tried first, degrees."""
_FINE: Final = 2.0
"""Step of the second search, on both sides of the best."""
_SHIFT: Final = 0.16
"""Farthest distance of the axis from the middle of the box, in parts of the box's longer side."""
_SIDE: Final = 60
"""Side of the canvas on which the axis is searched, pixels."""
_SUMS: Final = np.add.outer(np.arange(_SIDE), np.arange(_SIDE)).ravel()


@dataclass(frozen=True)
class Upright:
    """The mask on a canvas with a few empty pixels around it; one column is the axis of symmetry."""

    mask: Mask
    middle: int
    """Column of the axis"""
    symmetry: float
    """IoU of the mask and its mirror image"""
    whole: float
    """Share of the mask that its largest piece has"""
    back: NDArray[np.float64]
    """(2, 3): canvas to the original mask's pixels"""

    def original(self, point: XY) -> XY:
        """Return where a point of the canvas lies in the original mask."""
        x, y = self.back @ np.array((*point, 1.0))
        return float(x), float(y)


def upright(mask: Mask) -> Upright:
    """Return the mask (not empty) upright and SIZE pixels long."""
    box = box_of(mask)
    assert box is not None, "a mask without a garment"
    shape = mask[box]
    height, width = shape.shape
    unit = SIZE / max(height, width)
    size = max(1, round(width * unit)), max(1, round(height * unit))
    # Of zeros and ones, INTER_AREA gives 1 where at least half of the pixels are set.
    small = np.asarray(cv2.resize(shape.view(np.uint8), size, interpolation=cv2.INTER_AREA), np.uint8)
    if not small.any():
        small = np.ones_like(small)
    solid, whole = _solid(small)
    solid = _smooth(solid)
    angle, shift, symmetry = _axis(solid)
    forward, canvas, middle = _placed(size, angle, shift)
    turned = cv2.warpAffine(solid * np.uint8(255), forward, canvas) >= 128
    final = _solid(turned.view(np.uint8), holes=True)[0] if turned.any() else np.ones_like(turned, np.uint8)
    scaled = np.array(
        (
            (unit, 0, 0.5 * unit - 0.5 - unit * box[1].start),
            (0, unit, 0.5 * unit - 0.5 - unit * box[0].start),
            (0, 0, 1),
        )
    )
    both = np.vstack([forward, (0, 0, 1)]) @ scaled
    return Upright(final.view(np.bool_), middle, symmetry, whole, np.linalg.inv(both)[:2])


def _placed(size: tuple[int, int], angle: float, shift: float) -> tuple[NDArray[np.float64], tuple[int, int], int]:
    """Return the rotation onto the canvas, the canvas's size, and the axis's column on it."""
    width, height = size
    forward = np.asarray(cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), angle, 1.0), np.float64)
    corners = np.array([(x, y, 1.0) for x in (-0.5, width - 0.5) for y in (-0.5, height - 0.5)]) @ forward.T
    left, top = corners.min(axis=0)
    axis = width / 2 - 0.5 + shift
    middle = math.ceil(axis - left) + _MARGIN
    forward[:, 2] += middle - axis, _MARGIN - top
    right, low = corners.max(axis=0)
    room = math.ceil(right + middle - axis) + _MARGIN, math.ceil(low - top) + 2 * _MARGIN
    return forward, room, middle


def _solid(mask: NDArray[np.uint8], *, holes: bool = False) -> tuple[NDArray[np.uint8], float]:
    """Return the largest piece with small holes filled, and its share of the mask. ``holes``: keep all holes."""
    # With a border, or the slit between two legs, which ends at the box, would be a hole.
    contours, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    found = [np.asarray(contour, np.int32) for contour in contours]
    if len(found) == 1:
        return (mask, 1.0) if holes else (_drawn(mask, found[0]), 1.0)
    pieces = [index for index in range(len(found)) if tree[0, index, 3] < 0]
    largest = max(pieces, key=lambda index: cv2.contourArea(found[index]))
    solid = _drawn(mask, found[largest])
    whole = cv2.countNonZero(solid & mask) / cv2.countNonZero(mask)
    least = 0.0 if holes else _HOLE * cv2.countNonZero(solid)
    index = int(tree[0, largest, 2])
    while index >= 0:
        # A hole's contour runs on the pixels around it.
        hole = _drawn(mask, found[index]) & ~mask & 1
        if cv2.countNonZero(hole) >= least:
            solid &= ~hole
        index = int(tree[0, index, 0])
    return solid, whole


def _drawn(like: NDArray[np.uint8], contour: NDArray[np.int32]) -> NDArray[np.uint8]:
    canvas = np.zeros_like(like)
    cv2.drawContours(canvas, [contour], -1, 1, cv2.FILLED)
    return canvas


def _smooth(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the mask without threads and nicks of a few pixels."""
    bordered = cv2.copyMakeBorder(mask * np.uint8(255), 8, 8, 8, 8, cv2.BORDER_CONSTANT)
    smooth = cv2.GaussianBlur(bordered, (0, 0), 1.2)[8:-8, 8:-8] >= 128
    return np.ascontiguousarray(smooth).view(np.uint8) if smooth.any() else mask


def _axis(mask: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Return (rotation in degrees, axis right of the box's middle in pixels, IoU) of the best mirror symmetry."""
    height, width = mask.shape
    factor = _COARSE / max(height, width)
    solid = mask * np.uint8(255)
    small = np.asarray(cv2.resize(solid, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
    best = max(_mirrored(small, angle) for angle in _ANGLES)
    for angle in (best[1] - _FINE, best[1] + _FINE):
        if abs(angle) <= max(_ANGLES):
            best = max(best, _mirrored(small, angle))
    return best[1], best[2] / factor, max(0.0, best[0])


def _mirrored(small: NDArray[np.uint8], angle: float) -> tuple[float, float, float]:
    """Return (score, angle, axis right of the middle) of the best axis at a rotation."""
    height, width = small.shape
    matrix = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), angle, 1.0)
    matrix[:, 2] += _SIDE / 2 - width / 2, _SIDE / 2 - height / 2
    rows = (cv2.warpAffine(small, matrix, (_SIDE, _SIDE)) >= 128).astype(np.float32)
    area = float(rows.sum())
    # Overlap with the mirror image for every axis at once: pixels of a row whose columns have the same sum.
    overlap = np.bincount(_SUMS, (rows.T @ rows).ravel(), 2 * _SIDE - 1)
    reach = round(_SHIFT * _COARSE)
    common = overlap[_SIDE - 1 - 2 * reach : _SIDE + 2 * reach]
    scores = common / np.maximum(2 * area - common, 1.0)
    index = int(scores.argmax())
    # Among nearly equal ones, the least rotation.
    return float(scores[index]) - 0.0008 * abs(angle), angle, (index - 2 * reach) / 2

"""A garment's mask made small, smooth and upright: its axis of symmetry becomes the vertical middle of the canvas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.masks import box_of, largest_piece
from preprocess.formats.images import Mask

XY = tuple[float, float]
SIZE: Final = 208
"""Longer side of the garment on the canvas, pixels."""
_CANVAS: Final = 2 * round(0.76 * SIZE)
"""Room for a garment that is turned and moved."""
_HOLE: Final = 0.006
"""Largest hole that is filled, as a share of the garment's area; larger ones lie between sleeve and trunk."""
_COARSE: Final = 48
_ANGLES: Final = np.arange(-8.0, 8.1, 2.0)
"""Rotations that are tried, degrees."""
_SHIFT: Final = 0.16
"""Farthest distance of the axis from the middle of the box, in parts of the box's longer side."""


@dataclass(frozen=True)
class Upright:
    """The mask on a square canvas whose middle column is the axis of symmetry."""

    mask: Mask
    symmetry: float
    """IoU of the mask and its mirror image"""
    whole: float
    """Share of the mask that its largest piece has"""
    back: NDArray[np.float64]
    """(2, 3): canvas to the original mask's pixels"""

    @property
    def middle(self) -> int:
        """Column of the axis."""
        return int(self.mask.shape[1] // 2)

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
    small = cv2.resize(shape.view(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA) >= 128
    if not small.any():
        small = np.ones_like(small)
    piece = largest_piece(small)
    whole = float(np.count_nonzero(piece) / np.count_nonzero(small))
    solid = _smooth(_filled(piece))
    angle, shift, symmetry = _axis(solid)
    # Rotated about the middle of the box, then moved so that the axis is the middle column.
    forward = cv2.getRotationMatrix2D((size[0] / 2 - 0.5, size[1] / 2 - 0.5), angle, 1.0)
    forward[:, 2] += _CANVAS / 2 - size[0] / 2 + 0.5 - shift, _CANVAS / 2 - size[1] / 2 + 0.5
    turned = cv2.warpAffine(solid.view(np.uint8) * np.uint8(255), forward, (_CANVAS, _CANVAS)) >= 128
    scaled = np.array(
        (
            (unit, 0, 0.5 * unit - 0.5 - unit * box[1].start),
            (0, unit, 0.5 * unit - 0.5 - unit * box[0].start),
            (0, 0, 1),
        )
    )
    both = np.vstack([forward, (0, 0, 1)]) @ scaled
    final = largest_piece(np.ascontiguousarray(turned)) if turned.any() else np.ones((_CANVAS, _CANVAS), np.bool_)
    return Upright(final, symmetry, whole, np.linalg.inv(both)[:2])


def _filled(mask: Mask) -> Mask:
    # With a border, or the slit between two legs, which ends at the box, would be a hole.
    around = np.pad(~mask, 1, constant_values=True)
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(around.view(np.uint8), connectivity=4)
    small: NDArray[np.bool_] = stats[:, cv2.CC_STAT_AREA] < _HOLE * np.count_nonzero(mask)
    small[0] = False
    filled: Mask = mask | (small[numbers[1:-1, 1:-1]] & ~mask)
    return filled


def _smooth(mask: Mask) -> Mask:
    """Return the mask without threads and nicks of a few pixels."""
    bordered = cv2.copyMakeBorder(mask.view(np.uint8) * np.uint8(255), 8, 8, 8, 8, cv2.BORDER_CONSTANT)
    smooth = cv2.GaussianBlur(bordered, (0, 0), 1.2)[8:-8, 8:-8] >= 128
    return np.ascontiguousarray(smooth) if smooth.any() else mask


def _axis(mask: Mask) -> tuple[float, float, float]:
    """Return (rotation in degrees, axis right of the box's middle in pixels, IoU) of the best mirror symmetry."""
    height, width = mask.shape
    factor = _COARSE / max(height, width)
    side = 2 * _COARSE
    reach = round(_SHIFT * _COARSE)
    best = (-1.0, 0.0, 0.0)
    small = mask.view(np.uint8) * np.uint8(255)
    for angle in _ANGLES:
        matrix = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), float(angle), factor)
        matrix[:, 2] += side / 2 - width / 2, side / 2 - height / 2
        rows = (cv2.warpAffine(small, matrix, (side, side)) >= 128).astype(np.float32)
        area = float(rows.sum())
        spectrum = np.fft.rfft(rows, axis=1)
        # Overlap with the mirror image for every axis at once: the row's convolution with itself.
        overlap = np.fft.irfft((spectrum * spectrum).sum(axis=0), n=side)
        for twice in range(-2 * reach, 2 * reach + 1):
            common = float(overlap[(side - 1 + twice) % side])
            # Among nearly equal ones, the least rotation.
            score = common / max(2 * area - common, 1.0) - 0.0008 * abs(float(angle))
            if score > best[0]:
                best = score, float(angle), twice / 2
    return best[1], best[2] / factor, max(0.0, best[0])

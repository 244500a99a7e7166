"""The eight rotations and reflections of an image, of arrays and points, and which of them matches a photograph."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.formats.images import Pixels

Numbers = NDArray[np.uint8]
Points = NDArray[np.float64]


class Turn(NamedTuple):
    """A transposition, then a mirroring of columns, then one of rows."""

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False

    @property
    def mirrors(self) -> bool:
        """Whether left and right are exchanged, so that it is not a mere rotation."""
        return self.transposed ^ self.mirrored ^ self.flipped

    def of(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return the image (h, w, …), turned."""
        turned = np.swapaxes(image, 0, 1) if self.transposed else image
        return turned[:: -1 if self.flipped else 1, :: -1 if self.mirrored else 1]

    def of_points(self, points: Points, size: tuple[int, int]) -> Points:
        """Return the points (n, 3) of an image of ``size`` (width, height) as they lie in the turned one."""
        known = points[:, 2] > 0
        width, height = size[::-1] if self.transposed else size
        result = points.copy()
        xy = points[known, :2][:, ::-1] if self.transposed else points[known, :2].copy()
        if self.mirrored:
            xy = np.column_stack([width - 1 - xy[:, 0], xy[:, 1]])
        if self.flipped:
            xy = np.column_stack([xy[:, 0], height - 1 - xy[:, 1]])
        result[known, :2] = xy
        return result

    @property
    def inverse(self) -> Turn:
        """The turn that undoes this one."""
        if self.transposed:
            return Turn(True, self.flipped, self.mirrored)
        return self


AS_IT_IS = Turn()
UPRIGHT = (AS_IT_IS, Turn(mirrored=True, flipped=True), Turn(mirrored=True), Turn(flipped=True))
"""The turns that keep width and height."""
SIDEWAYS = tuple(Turn(True, turn.mirrored, turn.flipped) for turn in UPRIGHT)
"""The turns that exchange width and height."""

_SIDE = 128
"""Rows or columns at which outlines are compared."""
_STRONGEST = 60
"""Maximum difference of colour that counts; larger ones are clipped, so that no bright edge outweighs an outline."""


class Outlines(NamedTuple):
    """How strong the image's edges are along the map's outlines, by turn, and everywhere."""

    along: tuple[float, ...]
    everywhere: float


def outlines_of(pixels: Pixels, numbers: Numbers, turns: tuple[Turn, ...]) -> Outlines:
    """Return how well the outlines of a label map, turned in each way, follow the edges of its photograph.

    ``pixels`` may be the photograph at a fraction of its size.
    """
    height, width = pixels.shape[:2]
    most = max(height, width)
    size = max(2, width * min(_SIDE, most) // most), max(2, height * min(_SIDE, most) // most)
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_NEAREST).astype(np.int16)
    right, below = (_edges(small, axis) for axis in (1, 0))
    everywhere = (float(right.sum()) + float(below.sum())) / max(1, right.size + below.size)
    lying = size[::-1] if turns[0].transposed else size
    reduced = np.asarray(cv2.resize(numbers, lying, interpolation=cv2.INTER_NEAREST))
    along = []
    for turn in turns:
        labels = turn.of(reduced)
        across, down = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
        count = int(across.sum() + down.sum())
        along.append((float(right[across].sum()) + float(below[down].sum())) / max(1, count))
    return Outlines(tuple(along), everywhere)


def _edges(small: NDArray[np.int16], axis: int) -> NDArray[np.float32]:
    """Return the difference of each pixel to the next one along the axis, the largest of three neighbours."""
    difference = np.abs(np.diff(small, axis=axis)).max(axis=-1)
    strength = np.minimum(difference, _STRONGEST).astype(np.uint8)
    window = np.ones((1, 3) if axis else (3, 1), np.uint8)
    return np.asarray(cv2.dilate(strength, window), np.float32)

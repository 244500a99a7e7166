"""Label maps as polygons.

A polygon goes through the centres of a region's outermost pixels, so filling it with its edge gives the region again.
The format has no holes: a piece with a hole is cut in two along the pixel column through the hole's middle, which both
halves keep. The union of a region's polygons is the region, down to its last pixel but for ``TOLERANCE``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.synthetic.drawing.canvas import U8

Polygon = list[list[float]]

TOLERANCE: Final = 0.7
"""Largest deviation of a polygon from the traced edge, pixels."""
_SLIVER: Final = 12.0
"""Pieces of a smaller area, in pixels, are traced exactly: they may be one pixel wide."""
_CORNERS: Final = 3
"""Smallest number of points of a polygon; a piece one pixel wide repeats some, and still fills exactly."""


def region_polygons(labels: U8, label: int) -> list[Polygon]:
    """Return the polygons of one region of a label map (h, w), each a list of [x, y] pixels, not closed."""
    whole = (labels == label).astype(np.uint8)
    left, top, width, height = cv2.boundingRect(whole)
    if width == 0:
        return []
    return _trace(np.ascontiguousarray(whole[top : top + height, left : left + width]), left, top)


def _trace(mask: U8, left: int, top: int) -> list[Polygon]:
    found, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    contours = [np.asarray(contour, np.int32) for contour in found]
    polygons: list[Polygon] = []
    for index, contour in enumerate(contours):
        _, _, child, parent = (int(link) for link in tree[0][index])
        if parent >= 0:
            continue
        if child >= 0:
            polygons += _split(contours, index, child, mask, left, top)
            continue
        tolerance = TOLERANCE if cv2.contourArea(contour) > _SLIVER else 0.0
        outline = cv2.approxPolyDP(contour, tolerance, True)[:, 0].tolist()
        outline += outline[-1:] * (_CORNERS - len(outline))
        polygons.append([[float(x + left), float(y + top)] for x, y in outline])
    return polygons


def _split(contours: list[NDArray[np.int32]], index: int, child: int, mask: U8, left: int, top: int) -> list[Polygon]:
    """Cut one piece with a hole at the middle of the hole and trace both halves."""
    x0, y0, width, height = cv2.boundingRect(contours[index])
    piece = np.zeros((height, width), np.uint8)
    cv2.drawContours(piece, contours, index, 1, cv2.FILLED, offset=(-x0, -y0))
    piece &= mask[y0 : y0 + height, x0 : x0 + width]
    hole = contours[child][:, 0, 0]
    middle = (int(hole.min()) + int(hole.max())) // 2 - x0
    middle = min(max(middle, 1), width - 2)
    halves = ((piece[:, : middle + 1], 0), (piece[:, middle:], middle))
    return [
        polygon
        for half, offset in halves
        for polygon in _trace(np.ascontiguousarray(half), left + x0 + offset, top + y0)
    ]


def fill(polygons: Iterable[Polygon], height: int, width: int) -> NDArray[np.bool_]:
    """Return the mask (height, width) of a union of polygons."""
    mask = np.zeros((height, width), np.uint8)
    for polygon in polygons:
        cv2.fillPoly(mask, [np.rint(np.asarray(polygon)).astype(np.int32)], 1)
    filled: NDArray[np.bool_] = mask.astype(bool)
    return filled

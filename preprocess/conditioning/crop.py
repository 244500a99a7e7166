"""The square crop around the subject, taken before anything is resized, so that the subject fills the image."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.masks import Box
from preprocess.conditioning.regions import ARMS, HEAD, AnyParse, bounds, union
from preprocess.formats.aihub_json import Pose
from preprocess.formats.label_maps import Bounds
from schemas import TORSO, Crop, Garment, Keypoint

_PERSON_MARGIN = 0.06
_PRODUCT_MARGIN = 0.05
_HEAD_TO_HIP = slice(Keypoint.NOSE, Keypoint.LEFT_KNEE)
_SHOULDERS, _HIPS = TORSO[:2], TORSO[2:]
_BELOW_HIPS = 0.55
"""How far an upper-body crop extends below the hips, in torso lengths: to the fingertips of a hanging arm."""


def person_crop(pose: Pose, parse: AnyParse, garment: Garment, size: tuple[int, int]) -> Crop:
    """Return the crop of a person: head to thigh for an upper-body garment, the whole person for others.

    It depends on head, arms and pose, not on the worn garment, whose length it would otherwise reveal (paper §4:
    "cropped based on detected 2D pose"). ``size`` is (width, height) of the image. Raise ValueError if the labels
    belong to another image.
    """
    if garment == "upper" and (bottom := _below_hips(pose.points)) is not None:
        left, top, right, _ = union(bounds(parse, HEAD | ARMS), _box_of(pose.points[_HEAD_TO_HIP]))
        low = min(bottom, union(bounds(parse))[3])
        return _square(left, top, right, max(low, top + 1), _PERSON_MARGIN, size)
    return _square(*union(bounds(parse), _box_of(pose.points)), _PERSON_MARGIN, size)


def garment_crop(parse: AnyParse, names: frozenset[str] | None, size: tuple[int, int]) -> Crop | None:
    """Return the crop around the named (or all) regions of a garment's image, None if it has none of them.

    ``size`` is (width, height) of the image. Raise ValueError if the labels belong to another image.
    """
    box = bounds(parse, names)
    return None if box is None else _square(*box, _PRODUCT_MARGIN, size)


def photo_area(crop: Crop, size: tuple[int, int]) -> Box:
    """Return the crop's rows and columns inside the photograph of ``size`` (width, height)."""
    columns, rows = (
        slice(max(0, -start), min(crop.side, length - start))
        for start, length in zip((crop.x, crop.y), size, strict=True)
    )
    return rows, columns


def normalise(pose: Pose, crop: Crop) -> NDArray[np.float32]:
    """Return the pose in [0, 1] of the crop, float32 (17, 3); a point outside the crop counts as absent."""
    # Plain Python is faster than arrays for so few numbers.
    points = [((x - crop.x) / crop.side, (y - crop.y) / crop.side, known) for x, y, known in pose.points.tolist()]
    inside = [(x, y, 1.0) if known > 0 and 0 <= x <= 1 and 0 <= y <= 1 else (0.0, 0.0, 0.0) for x, y, known in points]
    return np.array(inside, np.float32)


def torso(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], float] | None:
    """Return the middle of the shoulders, the unit vector from hips to shoulders, and the torso's length in pixels.

    None if a joint is not known or the torso is not longer than a pixel.
    """
    if not all(points[joint, 2] for joint in TORSO):
        return None
    shoulders, hips = ((points[left, :2] + points[right, :2]) / 2 for left, right in (_SHOULDERS, _HIPS))
    length = math.hypot(*(shoulders - hips))
    return (shoulders, (shoulders - hips) / length, length) if length > 1 else None


def _below_hips(points: NDArray[np.float64]) -> float | None:
    body = torso(points)
    if body is None:
        return None
    shoulders, up, length = body
    return float((shoulders - up * length * (1 + _BELOW_HIPS))[1])


def _box_of(points: NDArray[np.float64]) -> Bounds | None:
    """Return the box around those of the points (n, 3) that are known."""
    known = [(x, y) for x, y, v in points.tolist() if v > 0]
    if not known:
        return None
    columns, rows = zip(*known, strict=True)
    return min(columns), min(rows), max(columns), max(rows)


def _square(
    left: float, top: float, right: float, bottom: float, margin: float, size: tuple[int, int]
) -> Crop:  # fmt: skip
    """Return the square centred on the box, shifted into the image as far as it fits.

    Raise ValueError if it is much larger than the image or outside it: such labels belong to another image.
    """
    side = max(8, round(max(right - left, bottom - top) * (1 + 2 * margin)))
    if side > 2 * max(size):
        raise ValueError(f"labels span {max(right - left, bottom - top):.0f} px of an image of {size[0]}x{size[1]}")
    x, y = (
        _inside(round((a + b - side) / 2), side, length)
        for a, b, length in zip((left, top), (right, bottom), size, strict=True)
    )
    if x >= size[0] or y >= size[1] or x + side <= 0 or y + side <= 0:
        raise ValueError(f"labels lie outside of the image of {size[0]}x{size[1]}")
    return Crop(x=x, y=y, side=side)


def _inside(start: int, side: int, length: int) -> int:
    return min(max(start, 0), length - side) if side <= length else start

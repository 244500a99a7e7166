"""The head by the joints of the face: where face, hair and chin are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.annotation.labels.bones import Body, Point
from preprocess.formats.images import Mask, Pixels
from schemas import Keypoint

_FACE: Final = slice(Keypoint.NOSE, Keypoint.LEFT_SHOULDER)
_EYES: Final = slice(Keypoint.LEFT_EYE, Keypoint.LEFT_EAR)
_WIDTH: Final = 0.30
"""Of a head, in torso lengths, where the face does not tell."""
_EYES_TO_WIDTH: Final = 2.3
_BELOW_EYES: Final = 0.18
"""How far below the eyes the middle of a face is, and half its height, in widths of the head."""
_HALF_WIDTH, _HALF_HEIGHT = 0.50, 0.74
_REACH: Final = 1.0
"""How far from the head's middle line hair may reach above the chin, in widths of the head."""
_CLEAR: Final = 18.0
"""Distance in Lab at which the colours of hair and skin are told apart."""


@dataclass(frozen=True)
class Head:
    """A head in an image, in pixels."""

    middle: Point
    """Of the face"""
    up: Point
    width: float
    seen: bool
    """Whether the face is: from behind there is hair alone"""

    @property
    def chin(self) -> Point:
        """The lowest point of the face."""
        return self.middle - self.up * self.width * _HALF_HEIGHT

    def face(self, shape: tuple[int, int]) -> Mask:
        """Return the ellipse of the face (h, w), empty from behind."""
        across, along = self._axes(shape)
        inside: Mask = (across / (_HALF_WIDTH * self.width)) ** 2 + (along / (_HALF_HEIGHT * self.width)) ** 2 <= 1
        return inside & self.seen

    def zone(self, shape: tuple[int, int]) -> Mask:
        """Return all that is above the chin and near enough to be head (h, w)."""
        across, along = self._axes(shape)
        near: Mask = (along > -_HALF_HEIGHT * self.width) & (np.abs(across) < _REACH * self.width)
        return near

    def _axes(self, shape: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rows = np.arange(shape[0], dtype=np.float32)[:, None] - np.float32(self.middle[1])
        columns = np.arange(shape[1], dtype=np.float32)[None, :] - np.float32(self.middle[0])
        x, y = np.float32(self.up[0]), np.float32(self.up[1])
        return columns * -y + rows * x, columns * x + rows * y


def head_of(joints: NDArray[np.float64], body: Body) -> Head:
    """Return the head of a pose; without any joint of the face, a head of usual size above the shoulders."""
    known = joints[_FACE, 2] > 0
    if not known.any():
        width = _WIDTH * body.length
        return Head(body.shoulders + body.up * width * 1.2, body.up, width, seen=False)
    up = joints[_FACE, :2][known].mean(axis=0) - body.shoulders
    up = up / max(float(np.hypot(*up)), 1e-6)
    between_ears = _between(joints, Keypoint.LEFT_EAR, Keypoint.RIGHT_EAR)
    between_eyes = _between(joints, Keypoint.LEFT_EYE, Keypoint.RIGHT_EYE)
    width = max(between_ears, _EYES_TO_WIDTH * between_eyes, 0.75 * _WIDTH * body.length)
    eyes = known[Keypoint.LEFT_EYE] or known[Keypoint.RIGHT_EYE]
    high = joints[_EYES, :2][known[_EYES]] if eyes else joints[_FACE, :2][known]
    middle = high.mean(axis=0) - up * width * _BELOW_EYES
    return Head(middle, up, width, seen=bool(known[Keypoint.NOSE] or eyes))


def looks_like_hair(image: Pixels, doubtful: Mask, skin: Mask, hair: Mask) -> Mask:
    """Return those pixels of ``doubtful`` whose colour is nearer to the hair's than to the skin's.

    None where the two cannot be told apart, or either is not seen. ``image`` is RGB uint8, masks are (h, w).
    """
    nothing = np.zeros_like(doubtful)
    if not (doubtful.any() and skin.any() and hair.any()):
        return nothing
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)
    of_skin, of_hair = (np.median(lab[mask], axis=0) for mask in (skin, hair))
    if float(np.linalg.norm(of_skin - of_hair)) < _CLEAR:
        return nothing
    pixels = lab[doubtful]
    nothing[doubtful] = np.linalg.norm(pixels - of_hair, axis=1) < np.linalg.norm(pixels - of_skin, axis=1)
    return nothing


def _between(joints: NDArray[np.float64], one: int, other: int) -> float:
    if not (joints[one, 2] and joints[other, 2]):
        return 0.0
    return float(np.hypot(*(joints[one, :2] - joints[other, :2])))

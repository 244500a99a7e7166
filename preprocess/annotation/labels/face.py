"""Location of head, face, hair and chin, from the joints of the face."""

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
"""Width of a head in torso lengths, if it cannot be measured on the face."""
_EYES_TO_WIDTH: Final = 2.3
_NOSE_TO_WIDTH: Final = 1.6
"""Width of a head over the distance of nose and ear, which is all that is seen of it from the side."""
_BELOW_EYES: Final = 0.18
"""How far below the eyes the middle of a face is, and half its height, in widths of the head."""
_HALF_WIDTH, _HALF_HEIGHT = 0.50, 0.74
_REACH: Final = 1.0
"""How far from the head's middle line hair may reach above the chin, in widths of the head."""
_CLEAR: Final = 18.0
"""Smallest distance in Lab at which the colours of hair and skin can be distinguished."""


@dataclass(frozen=True)
class Head:
    """A head in an image, in pixels."""

    middle: Point
    """Centre of the face"""
    up: Point
    width: float
    visible: bool
    """Whether the face is visible; from behind only hair is"""

    @property
    def chin(self) -> Point:
        """The lowest point of the face."""
        return self.middle - self.up * self.width * _HALF_HEIGHT

    def face(self, shape: tuple[int, int], share: float = 1.0) -> Mask:
        """Return the ellipse of the face (h, w), empty from behind; with ``share`` a smaller one around its middle."""
        across, along = self._axes(shape)
        wide, high = share * _HALF_WIDTH * self.width, share * _HALF_HEIGHT * self.width
        inside: Mask = (across / wide) ** 2 + (along / high) ** 2 <= 1
        return inside & self.visible

    def zone(self, shape: tuple[int, int]) -> Mask:
        """Return the pixels above the chin that are near enough to belong to the head (h, w)."""
        across, along = self._axes(shape)
        near: Mask = (along > -_HALF_HEIGHT * self.width) & (np.abs(across) < _REACH * self.width)
        return near

    def above_eyes(self, shape: tuple[int, int]) -> Mask:
        """Return the pixels above the line of the eyes (h, w)."""
        above: Mask = self._axes(shape)[1] > _BELOW_EYES * self.width
        return above

    def _axes(self, shape: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rows = np.arange(shape[0], dtype=np.float32)[:, None] - np.float32(self.middle[1])
        columns = np.arange(shape[1], dtype=np.float32)[None, :] - np.float32(self.middle[0])
        x, y = np.float32(self.up[0]), np.float32(self.up[1])
        return columns * -y + rows * x, columns * x + rows * y


def head_of(joints: NDArray[np.float64], body: Body) -> Head:
    """Return the head of a pose; without any face joint, a head of average size above the shoulders."""
    known = joints[_FACE, 2] > 0
    if not known.any():
        width = _WIDTH * body.length
        return Head(body.shoulders + body.up * width * 1.2, body.up, width, visible=False)
    up = joints[_FACE, :2][known].mean(axis=0) - body.shoulders
    up = up / max(float(np.hypot(*up)), 1e-6)
    between_ears = _between(joints, Keypoint.LEFT_EAR, Keypoint.RIGHT_EAR)
    between_eyes = _between(joints, Keypoint.LEFT_EYE, Keypoint.RIGHT_EYE)
    in_profile = max(_between(joints, Keypoint.NOSE, ear) for ear in (Keypoint.LEFT_EAR, Keypoint.RIGHT_EAR))
    width = max(
        between_ears, _EYES_TO_WIDTH * between_eyes, _NOSE_TO_WIDTH * in_profile, 0.75 * _WIDTH * body.length
    )  # fmt: skip
    eyes = known[Keypoint.LEFT_EYE] or known[Keypoint.RIGHT_EYE]
    high = joints[_EYES, :2][known[_EYES]] if eyes else joints[_FACE, :2][known]
    middle = high.mean(axis=0) - up * width * _BELOW_EYES
    return Head(middle, up, width, visible=bool(known[Keypoint.NOSE] or eyes))


def looks_like_hair(image: Pixels, doubtful: Mask, skin: Mask, hair: Mask) -> Mask:
    """Return those pixels of ``doubtful`` whose colour is nearer to the hair's than to the skin's.

    Empty if the two cannot be distinguished, or either is not visible. ``image`` is RGB uint8, masks are (h, w).
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

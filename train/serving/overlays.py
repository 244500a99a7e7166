"""Overlays of what was estimated of a photograph: the hidden area and the pose, as the network gets them."""

from __future__ import annotations

import io
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from schemas import MID_GREY, SKELETON
from train.data.shards import Pixels

_SIDE: Final = 512
_TINT: Final = (196, 64, 208)
_STRENGTH: Final = 0.5
_LINE, _EDGE, _JOINT = (255, 255, 255), (0, 0, 0), (0, 200, 60)
_QUALITY: Final = 88


def person_overlay(person: Pixels, Ia: Pixels, Jp: NDArray[np.float32]) -> Pixels:
    """Return the person with a tint over what Ia hides, and the joints Jp."""
    hidden = (Ia == MID_GREY).all(axis=2).astype(np.uint8)
    drawn = _enlarged(person, cv2.INTER_CUBIC)
    tinted = _enlarged(hidden, cv2.INTER_NEAREST).astype(np.bool_)
    mixed = (1 - _STRENGTH) * drawn[tinted] + _STRENGTH * np.array(_TINT)
    drawn[tinted] = mixed.astype(np.uint8)
    return _with_pose(drawn, Jp)


def garment_overlay(Ic: Pixels, Jg: NDArray[np.float32]) -> Pixels:
    """Return the segmented garment with the points Jg, where the wearer's joints would be."""
    return _with_pose(_enlarged(Ic, cv2.INTER_CUBIC), Jg)


def jpeg(image: Pixels) -> bytes:
    """Return an image as a JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _enlarged(image: NDArray[np.uint8], how: int) -> NDArray[np.uint8]:
    return np.array(cv2.resize(image, (_SIDE, _SIDE), interpolation=how), np.uint8)


def _with_pose(image: Pixels, pose: NDArray[np.float32]) -> Pixels:
    """Draw lines between joints, and the joints."""
    points = [(round(float(x) * _SIDE), round(float(y) * _SIDE), float(v)) for x, y, v in pose]
    for one, other in SKELETON:
        if points[one][2] > 0 and points[other][2] > 0:
            for colour, width in ((_EDGE, 5), (_LINE, 2)):
                cv2.line(image, points[one][:2], points[other][:2], colour, width, cv2.LINE_AA)
    for x, y, visibility in points:
        if visibility > 0:
            cv2.circle(image, (x, y), 6, _EDGE, cv2.FILLED, cv2.LINE_AA)
            cv2.circle(image, (x, y), 4, _JOINT, cv2.FILLED, cv2.LINE_AA)
    return image

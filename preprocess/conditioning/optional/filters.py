"""Limits of the user's own: an image beyond one of them is rejected, with the figure that it has."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.conditions import PersonSide, Subject
from preprocess.conditioning.optional.extra_masks import scaled_photo_area
from preprocess.faults import Fault, RecordError
from preprocess.formats.images import Pixels
from schemas import Filters, Keypoint

_SURE_JOINTS = slice(Keypoint.NOSE, Keypoint.LEFT_KNEE)
"""Head, arms and hips: legs are often outside of the photograph."""
_ADVICE = "leave it out, or change the limit"


def check_image(image: Subject, path: str, limits: Filters | None) -> None:
    """Raise RecordError if the image of a person or a garment is too small or too long."""
    if limits is None:
        return
    short, long = sorted(image.size)
    _check(short, limits.min_size, None, Fault.SMALL_IMAGE, path, "px on its shorter side")
    _check(long / short, None, limits.max_aspect, Fault.LONG_IMAGE, path, "times as long as wide, or as wide as long")


def check_person(person: Subject, side: PersonSide, path: str, limits: Filters | None) -> None:
    """Raise RecordError if the person's crop is small, blurred, dark, light or grey, or the pose unsure."""
    if limits is None:
        return
    _check(side.crop.side, limits.min_person, None, Fault.SMALL_PERSON, path, "px is the side of the person's crop")
    inside = side.Ip_256[scaled_photo_area(person, side, side.Ip_256.shape[0])]
    grey = np.asarray(cv2.cvtColor(inside, cv2.COLOR_RGB2GRAY), np.uint8)
    if limits.min_sharpness is not None:
        _check(sharpness(grey), limits.min_sharpness, None, Fault.BLURRED_IMAGE, path, "is the sharpness of the crop")
    light = float(grey.mean())
    _check(light, limits.min_light, None, Fault.DARK_IMAGE, path, "is the crop's mean grey level")
    _check(light, None, limits.max_light, Fault.LIGHT_IMAGE, path, "is the crop's mean grey level")
    if limits.min_colour is not None:
        _check(colourfulness(inside), limits.min_colour, None, Fault.GREY_IMAGE, path, "levels of colour on average")
    confidence = float(person.pose.points[_SURE_JOINTS, 2].mean())
    _check(confidence, limits.min_confidence, None, Fault.UNSURE_JOINTS, path, "is the confidence of the pose")


def sharpness(grey: NDArray[np.uint8]) -> float:
    """Return the mean square of an image's Laplacian, which blur lowers."""
    edges = cv2.Laplacian(grey, cv2.CV_32F)
    return float(np.square(edges, dtype=np.float64).mean())


def colourfulness(pixels: Pixels) -> float:
    """Return the mean difference between the largest and the smallest channel of a pixel, in levels."""
    return float((pixels.max(axis=2).astype(np.int16) - pixels.min(axis=2)).mean())


def _check(value: float, least: float | None, most: float | None, fault: Fault, path: str, unit: str) -> None:
    """Raise RecordError if the value is below ``least`` or above ``most``."""
    if least is not None and value < least:
        raise RecordError(fault, path, f"{value:.4g} {unit}, and at least {least:g} is asked for; {_ADVICE}")
    if most is not None and value > most:
        raise RecordError(fault, path, f"{value:.4g} {unit}, and at most {most:g} is asked for; {_ADVICE}")

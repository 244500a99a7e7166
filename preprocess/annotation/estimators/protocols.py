"""Interfaces of the pose and mask estimators of `prep annotate`; any network that implements them can be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from preprocess.formats.images import Pixels

NONE, UPPER, LOWER, WHOLE = 0, 1, 2, 3
"""Clothing classes of a person's pixels: no garment, upper body, lower body, or both (a dress)."""


@dataclass(frozen=True)
class BodyPose:
    """One person in an image, in its pixel coordinates."""

    box: tuple[float, float, float, float]
    """Left, top, right, bottom"""
    confidence: float
    """Confidence of the detection, in [0, 1]"""
    joints: NDArray[np.float64]
    """(17, 3): x, y and a confidence in [0, 1], in the order of `schemas.KEYPOINTS`, the person's left and right"""


class Clothes(NamedTuple):
    """Segmentation of the worn clothes."""

    labels: NDArray[np.uint8]
    """(h, w) of NONE, UPPER, LOWER, WHOLE"""
    confidence: float
    """In [0, 1]: mean probability of the predicted class over clothed pixels; 0 without any"""


class PoseEstimator(Protocol):
    """Detects people and their joints."""

    def poses(self, pictures: Sequence[Pixels]) -> list[list[BodyPose]]:
        """Return the people of each image, RGB uint8 (h, w, 3), in any order."""
        ...


class Segmenter(Protocol):
    """Segments person, garment and worn clothes; images are RGB uint8 (h, w, 3)."""

    def person(self, image: Pixels) -> NDArray[np.float32]:
        """Return each pixel's probability of showing a person, (h, w) in [0, 1]."""
        ...

    def garment(self, image: Pixels) -> NDArray[np.float32]:
        """Return each pixel's probability of showing the photographed garment, (h, w) in [0, 1]."""
        ...

    def clothes(self, image: Pixels) -> Clothes:
        """Return the segmentation of the clothes that the person wears."""
        ...


@dataclass(frozen=True)
class Estimators:
    """A pose estimator and a segmenter."""

    pose: PoseEstimator
    masks: Segmenter

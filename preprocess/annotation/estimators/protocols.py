"""What `prep annotate` asks of an estimator of poses and of one of masks; any network that answers so will do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from preprocess.formats.images import Pixels

NONE, UPPER, LOWER, WHOLE = 0, 1, 2, 3
"""What a pixel of a person wears: no garment; one of the upper body, of the lower body, of both."""


@dataclass(frozen=True)
class BodyPose:
    """One person in an image, in pixels of it."""

    box: tuple[float, float, float, float]
    """Left, top, right, bottom"""
    confidence: float
    """In [0, 1], that this is a person"""
    joints: NDArray[np.float64]
    """(17, 3): x, y and a confidence in [0, 1], in the order of `schemas.KEYPOINTS`, the person's left and right"""


class Clothes(NamedTuple):
    """What is worn where."""

    labels: NDArray[np.uint8]
    """(h, w) of NONE, UPPER, LOWER, WHOLE"""
    confidence: float
    """In [0, 1]: the mean probability of the labels where something is worn, 0 where nothing is"""


class PoseEstimator(Protocol):
    """Finds people and their joints."""

    def poses(self, pictures: Sequence[Pixels]) -> list[list[BodyPose]]:
        """Return the people of each image, RGB uint8 (h, w, 3), in any order."""
        ...


class Segmenter(Protocol):
    """Tells person, garment and clothes from what lies around them; images are RGB uint8 (h, w, 3)."""

    def person(self, image: Pixels) -> NDArray[np.float32]:
        """Return how probable it is that a pixel shows a person, (h, w) in [0, 1]."""
        ...

    def garment(self, image: Pixels) -> NDArray[np.float32]:
        """Return how probable it is that a pixel shows what was photographed, (h, w) in [0, 1]."""
        ...

    def clothes(self, image: Pixels) -> Clothes:
        """Return what the person of the image wears where."""
        ...


@dataclass(frozen=True)
class Estimators:
    """Both."""

    pose: PoseEstimator
    masks: Segmenter

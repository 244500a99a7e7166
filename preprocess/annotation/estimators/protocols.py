"""Interfaces of the estimators of `prep annotate`; any network that implements them can be used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from preprocess.formats.images import Pixels
from preprocess.label_tables import Pixelwise

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


class Parsed(NamedTuple):
    """A label for every pixel of a person."""

    numbers: NDArray[np.uint8]
    """(h, w), by the parser's table"""
    confidence: float
    """In [0, 1]: mean probability of the predicted label over the person's pixels; 0 without any"""


class PoseEstimator(Protocol):
    """Detects people and their joints."""

    def poses(self, images: Sequence[Pixels]) -> list[list[BodyPose]]:
        """Return the people of each image, RGB uint8 (h, w, 3), in any order."""
        ...


class Segmenter(Protocol):
    """Segments person and worn clothes; images are RGB uint8 (h, w, 3)."""

    def person(self, image: Pixels) -> NDArray[np.float32]:
        """Return each pixel's probability of showing a person, (h, w) in [0, 1]."""
        ...

    def clothes(self, image: Pixels) -> Clothes:
        """Return the segmentation of the clothes that the person wears."""
        ...


@runtime_checkable
class Parser(Protocol):
    """Labels every pixel of a person by a table: face, hair, arms, garments; images are RGB uint8 (h, w, 3)."""

    @property
    def labels(self) -> Pixelwise:
        """The table of the labels."""
        ...

    def parse(self, image: Pixels) -> Parsed:
        """Return each pixel's label."""
        ...


@runtime_checkable
class Outliner(Protocol):
    """Finds the outline of a person, but no garments; images are RGB uint8 (h, w, 3)."""

    def outline(self, image: Pixels) -> NDArray[np.float32]:
        """Return each pixel's probability of showing the person, (h, w) in [0, 1]."""
        ...


PeopleEstimator = Segmenter | Parser | Outliner
"""What tells the regions of a person."""


class GarmentSegmenter(Protocol):
    """Separates a photographed garment from its background."""

    def garment(self, image: Pixels) -> NDArray[np.float32]:
        """Return each pixel's probability of showing the garment, (h, w) in [0, 1]; RGB uint8 (h, w, 3)."""
        ...


class Estimators:
    """The estimators of a run; each is loaded when it is first used, so that one that no photo needs may be missing."""

    def __init__(
        self,
        pose: Callable[[], PoseEstimator],
        people: Callable[[], PeopleEstimator],
        garments: Callable[[], GarmentSegmenter],
    ) -> None:
        """Take what loads each of them."""
        self._pose, self._people, self._garments = pose, people, garments

    @cached_property
    def pose(self) -> PoseEstimator:
        """What finds people and joints. Raise UserError if it cannot be loaded."""
        return self._pose()

    @cached_property
    def people(self) -> PeopleEstimator:
        """What labels people. Raise UserError if it cannot be loaded."""
        return self._people()

    @cached_property
    def garments(self) -> GarmentSegmenter:
        """What finds garments. Raise UserError if it cannot be loaded."""
        return self._garments()

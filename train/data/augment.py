"""Random augmentation of a sample: crop, shift, mirror. Every draw is keyed by the sample's position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from schemas import FLIP
from train.data.data_config import BatchSettings
from train.data.decode import Pixels
from train.data.draws import uniform_pairs

Poses = NDArray[np.float32]
Offsets = NDArray[np.int64]

_OVERHEAD = 1024
"""Approximate bytes of a sample's Python objects, besides its arrays."""


@dataclass(frozen=True, slots=True)
class DecodedSample:
    """One decoded sample: images uint8 (H, W, 3), poses float32 (17, 3); None for what the stage does not read."""

    x: Pixels
    Ia: Pixels | None = None
    Ic: Pixels | None = None
    Jp: Poses | None = None
    Jg: Poses | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of memory, approximately."""
        arrays = (self.x, self.Ia, self.Ic, self.Jp, self.Jg)
        return _OVERHEAD + sum(array.nbytes for array in arrays if array is not None)


@dataclass(frozen=True)
class Draws:
    """The augmentation of each sample of a batch: first the crop, then the shift, then the mirroring."""

    flip: NDArray[np.bool_]
    """(B,): mirror the whole tuple; left and right keypoints are exchanged."""
    corner: Offsets | None = None
    """(B, 2): top and left of the crop; None keeps the whole image."""
    person: Offsets | None = None
    """(B, 2): shift of x, Ia and Jp in pixels, right and down; None: no shift."""
    garment: Offsets | None = None
    """(B, 2): the same for Ic and Jg."""


def draw(config: BatchSettings, positions: Sequence[int]) -> Draws:
    """Draw the augmentation of the samples at these positions."""

    def pairs(*purpose: str) -> NDArray[np.float32]:
        return uniform_pairs(config.seed, config.stage, positions, *purpose)

    def shifts(which: str) -> Offsets:
        pixels = np.rint((pairs("jitter", which) * 2 - 1) * config.data.jitter * config.size)
        return np.asarray(pixels, np.int64)

    flip = pairs("flip")[:, 0] < 0.5 if config.data.flip else np.zeros(len(positions), np.bool_)
    if config.crop:
        return Draws(flip, (pairs("crop") * (config.size - config.crop + 1)).astype(np.int64))
    if config.data.jitter and config.is_try_on:
        return Draws(flip, None, shifts("person"), shifts("garment"))
    return Draws(flip)


def flip_pose(pose: Poses) -> Poses:
    """Mirror poses (…, 17, 3): x becomes 1 - x, left and right are exchanged; absent points stay zero."""
    flipped = pose[..., list(FLIP), :]
    flipped[..., 0] = np.where(flipped[..., 2] > 0, 1 - flipped[..., 0], 0)
    return flipped


def moved_pose(pose: Poses, shift: NDArray[np.floating[Any]]) -> Poses:
    """Move poses (…, 17, 3) by ``shift`` (…, 2), fractions of the side; points outside become absent."""
    moved = pose.copy()
    moved[..., :2] += shift.astype(np.float32)[..., None, :]
    inside = ((moved[..., :2] >= 0) & (moved[..., :2] <= 1)).all(axis=-1) & (pose[..., 2] > 0)
    return np.where(inside[..., None], moved, np.float32(0))


def moved_image(image: Pixels, right: int, down: int) -> Pixels:
    """Shift a square image by less than its side.

    The shift is in whole pixels, so nothing is blurred: a network trained on blurred images generates blurred ones.
    Beyond an edge its pixels are repeated, as in the crops of the shards.
    """
    side = image.shape[0]
    left = image[max(0, -down) : side - max(0, down), max(0, -right) : side - max(0, right)]
    edges = (max(0, down), max(0, -down), max(0, right), max(0, -right))
    moved = cv2.copyMakeBorder(left, *edges, cv2.BORDER_REPLICATE | cv2.BORDER_ISOLATED)
    return np.asarray(moved, np.uint8)

"""Random augmentation of a sample: crop, shift, mirror. Every draw is keyed by the sample's position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from schemas import FLIP, MID_GREY
from train.data.data_config import BatchSettings
from train.data.decode import Pixels
from train.data.draws import uniform_pairs

Poses = NDArray[np.float32]
Offsets = NDArray[np.int64]

Box = tuple[float, float, float, float]
Boxes = NDArray[np.float32]

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
"""The box of a photograph that fills its image."""
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
    photo: Box = WHOLE
    """The photograph's left, top, right, bottom in [0, 1] of x."""

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


def augmented_boxes(boxes: Boxes, draws: Draws, size: int, side: int) -> Boxes:
    """Return the photographs' boxes (B, 4) after the augmentation of their images of ``size``, cropped to ``side``."""
    moved = boxes * np.float32(size)
    for shift, sign in ((draws.corner, -1), (draws.person, 1)):
        if shift is not None:
            right_and_down = shift[:, ::sign]  # a crop's corner is (top, left)
            moved += np.tile(sign * right_and_down, (1, 2)).astype(np.float32)
    moved = (moved / np.float32(side)).clip(0, 1)
    moved[draws.flip] = np.stack(
        [1 - moved[draws.flip, 2], moved[draws.flip, 1], 1 - moved[draws.flip, 0], moved[draws.flip, 3]], 1
    )
    return moved


def moved_image(image: Pixels, right: int, down: int) -> Pixels:
    """Shift a square image by less than its side.

    The shift is in whole pixels, so nothing is blurred: a network trained on blurred images generates blurred ones.
    What is moved in is mid-grey, as beyond the photograph in the crops of the shards.
    """
    side = image.shape[0]
    left = image[max(0, -down) : side - max(0, down), max(0, -right) : side - max(0, right)]
    edges = (max(0, down), max(0, -down), max(0, right), max(0, -right))
    kind = cv2.BORDER_CONSTANT | cv2.BORDER_ISOLATED
    moved = cv2.copyMakeBorder(left, *edges, kind, value=(MID_GREY,) * 3)
    return np.asarray(moved, np.uint8)

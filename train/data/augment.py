"""What is randomly done to a tuple before a step sees it; every draw is keyed by the sample's position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas import FLIP
from train.data.decode import Pixels
from train.diffusion.randomness import SampleNoise

Pose = NDArray[np.float32]


@dataclass(frozen=True)
class Item:
    """One decoded sample: pictures uint8 (H, W, 3), poses float32 (17, 3); None for what the stage does not read."""

    x: Pixels
    Ia: Pixels | None = None
    Ic: Pixels | None = None
    Jp: Pose | None = None
    Jg: Pose | None = None


def mirrored(item: Item) -> Item:
    """Mirror the whole tuple; left and right keypoints change places."""
    return Item(
        x=_flip(item.x),
        Ia=None if item.Ia is None else _flip(item.Ia),
        Ic=None if item.Ic is None else _flip(item.Ic),
        Jp=None if item.Jp is None else flip_pose(item.Jp),
        Jg=None if item.Jg is None else flip_pose(item.Jg),
    )


def flip_pose(pose: Pose) -> Pose:
    """Mirror a pose (17, 3): x becomes 1 - x, left and right change places; absent points stay zero."""
    flipped = pose[list(FLIP)].copy()
    flipped[:, 0] = np.where(flipped[:, 2] > 0, 1 - flipped[:, 0], 0)
    return flipped


def crop_corner(room: int, noise: SampleNoise) -> tuple[int, int]:
    """Return top and left of the one sample's random crop, each in [0, room]."""
    top, left = (int(u * (room + 1)) for u in noise.uniform((2,), "crop")[0])
    return top, left


def _flip(picture: Pixels) -> Pixels:
    return np.ascontiguousarray(picture[:, ::-1])

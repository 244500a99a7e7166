"""What is randomly done to a tuple before a step sees it; every draw is keyed by the sample's position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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


def jittered(item: Item, share: float, noise: SampleNoise) -> Item:
    """Shift a try-on tuple by up to ``share`` of its side: Ip, Ia and Jp alike, Ic and Jg by another draw.

    By whole pixels, so that nothing is blurred: what a network is shown blurred it learns to make blurred. What comes
    in from beyond an edge repeats it, as the crops of the shards do. Points that leave become absent.
    """
    side = item.x.shape[0]
    person, garment = (
        np.rint((noise.uniform((2,), "jitter", which).numpy()[0] * 2 - 1) * share * side).astype(int)
        for which in ("person", "garment")
    )
    return Item(
        x=_moved(item.x, person),
        Ia=None if item.Ia is None else _moved(item.Ia, person),
        Ic=None if item.Ic is None else _moved(item.Ic, garment),
        Jp=None if item.Jp is None else moved_pose(item.Jp, person / side),
        Jg=None if item.Jg is None else moved_pose(item.Jg, garment / side),
    )


def moved_pose(pose: Pose, shift: NDArray[np.floating[Any]]) -> Pose:
    """Return the pose (17, 3) with every point moved by ``shift`` (2,), x and y in parts of the side."""
    moved = pose.copy()
    moved[:, :2] += shift.astype(np.float32)
    inside = ((moved[:, :2] >= 0) & (moved[:, :2] <= 1)).all(axis=1) & (pose[:, 2] > 0)
    return np.where(inside[:, None], moved, np.float32(0))


def _moved(picture: Pixels, pixels: NDArray[np.int_]) -> Pixels:
    side = picture.shape[0]
    columns, rows = (np.clip(np.arange(side) - by, 0, side - 1) for by in pixels)
    return np.ascontiguousarray(picture[rows][:, columns])


def crop_corner(room: int, noise: SampleNoise) -> tuple[int, int]:
    """Return top and left of the one sample's random crop, each in [0, room]."""
    top, left = (int(u * (room + 1)) for u in noise.uniform((2,), "crop")[0])
    return top, left


def _flip(picture: Pixels) -> Pixels:
    return np.ascontiguousarray(picture[:, ::-1])

"""What is randomly done to a tuple before a step sees it; every draw is keyed by the sample's position."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
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
    """Shift and scale a try-on tuple by up to ``share`` of its side: Ip, Ia and Jp alike, Ic and Jg by another draw.

    What comes in from beyond an edge repeats it, as the crops of the shards do. Points that leave become absent.
    """
    person, garment = (noise.uniform((3,), "jitter", which).numpy()[0] * 2 - 1 for which in ("person", "garment"))
    return Item(
        x=_moved(item.x, person, share),
        Ia=None if item.Ia is None else _moved(item.Ia, person, share),
        Ic=None if item.Ic is None else _moved(item.Ic, garment, share),
        Jp=None if item.Jp is None else moved_pose(item.Jp, *_affine(person, share)),
        Jg=None if item.Jg is None else moved_pose(item.Jg, *_affine(garment, share)),
    )


def moved_pose(pose: Pose, scale: float, shift: Pose) -> Pose:
    """Return the pose with every point p, in [0, 1] of the side, at ``scale`` · (p - ½) + ½ + ``shift`` (2,)."""
    moved = pose.copy()
    moved[:, :2] = scale * (pose[:, :2] - 0.5) + 0.5 + shift
    inside = ((moved[:, :2] >= 0) & (moved[:, :2] <= 1)).all(axis=1) & (pose[:, 2] > 0)
    return np.where(inside[:, None], moved, np.float32(0))


def _affine(draw: Pose, share: float) -> tuple[float, Pose]:
    return 1 + share * float(draw[2]), share * draw[:2]


def _moved(picture: Pixels, draw: Pose, share: float) -> Pixels:
    scale, shift = _affine(draw, share)
    side = picture.shape[0]
    # A pixel's middle lies half a pixel from its corner: p + ½ = side · (a point of a pose).
    offset = side * ((1 - scale) / 2 + shift) + (scale - 1) / 2
    matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]], np.float64)
    moved = cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def crop_corner(room: int, noise: SampleNoise) -> tuple[int, int]:
    """Return top and left of the one sample's random crop, each in [0, room]."""
    top, left = (int(u * (room + 1)) for u in noise.uniform((2,), "crop")[0])
    return top, left


def _flip(picture: Pixels) -> Pixels:
    return np.ascontiguousarray(picture[:, ::-1])

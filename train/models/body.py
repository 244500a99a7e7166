"""The person's points and trunk, and where pixels are, in the coordinates of a pose: [0, 1], x right and y down."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from schemas.keypoints import KEYPOINTS

SIDES = ("left", "right")


def slots_of(*names: str) -> tuple[int, ...]:
    """Return where in a pose the named keypoints lie."""
    return tuple(KEYPOINTS.index(name) for name in names)


SHOULDERS, ELBOWS, WRISTS, HIPS = (
    slots_of(*(f"{side}_{joint}" for side in SIDES)) for joint in ("shoulder", "elbow", "wrist", "hip")
)
"""The slots of both, left first."""


class Trunk(NamedTuple):
    """The axis of the body."""

    top: Tensor
    """(B, 2): the middle of the shoulders"""
    axis: Tensor
    """(B, 2): from there to the middle of the hips"""
    known: Tensor
    """(B,): whether both shoulders and both hips are known"""


def trunk(pose: Tensor) -> Trunk:
    """Return the trunk of each pose (B, 17, 3); of one that is not known top and axis mean nothing."""
    top, bottom = (points_of(pose, ends)[..., :2].mean(1) for ends in (SHOULDERS, HIPS))
    return Trunk(top, bottom - top, (points_of(pose, SHOULDERS + HIPS)[..., 2] > 0).all(1))


def points_of(pose: Tensor, slots: tuple[int, ...]) -> Tensor:
    """Return these slots (B, n, 3) of a pose: without a tensor of indices, on which torch.compile breaks off."""
    return torch.stack([pose[:, slot] for slot in slots], dim=1)


def pixel_centres(size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the pixels' centres as x (1, W) and y (H, 1), which together broadcast to a picture (H, W)."""
    y, x = ((torch.arange(side, device=device) + 0.5) / side for side in size)
    return x[None, :], y[:, None]

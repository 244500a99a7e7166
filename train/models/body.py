"""Keypoints, trunk and pixel centres in pose coordinates: [0, 1], x to the right, y down."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from schemas.keypoints import KEYPOINTS

SIDES = ("left", "right")


def slots_of(*names: str) -> tuple[int, ...]:
    """Return the indices of the named keypoints in a pose."""
    return tuple(KEYPOINTS.index(name) for name in names)


SHOULDERS, ELBOWS, WRISTS, HIPS = (
    slots_of(*(f"{side}_{joint}" for side in SIDES)) for joint in ("shoulder", "elbow", "wrist", "hip")
)
"""Keypoint indices of the left and the right one, in this order."""


class Trunk(NamedTuple):
    """The axis of the trunk, from shoulders to hips."""

    top: Tensor
    """(B, 2): midpoint of the shoulders"""
    axis: Tensor
    """(B, 2): vector from there to the midpoint of the hips"""
    known: Tensor
    """(B,): whether both shoulders and both hips are present"""


def trunk(pose: Tensor) -> Trunk:
    """Return the trunk of each pose (B, 17, 3); where ``known`` is false, top and axis are meaningless."""
    top, bottom = (points_of(pose, ends)[..., :2].mean(1) for ends in (SHOULDERS, HIPS))
    return Trunk(top, bottom - top, (points_of(pose, SHOULDERS + HIPS)[..., 2] > 0).all(1))


def points_of(pose: Tensor, slots: tuple[int, ...]) -> Tensor:
    """Return these keypoints (B, n, 3) of a pose; no index tensor, which would cause a torch.compile graph break."""
    return torch.stack([pose[:, slot] for slot in slots], dim=1)


def pixel_centres(size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the pixel centres as x (1, W) and y (H, 1), which broadcast to (H, W)."""
    y, x = ((torch.arange(side, device=device) + 0.5) / side for side in size)
    return x[None, :], y[:, None]

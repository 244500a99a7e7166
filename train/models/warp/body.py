"""Keypoints, trunk and pixel centres in pose coordinates: [0, 1], x to the right, y down."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from schemas.keypoints import Keypoint

Slots = tuple[int, ...]
"""Where in a pose keypoints lie: plain numbers, since torch.compile and torch.export know no others."""


def keypoint_indices(*keypoints: Keypoint) -> Slots:
    """Return where in a pose these keypoints lie."""
    return tuple(int(keypoint) for keypoint in keypoints)


SHOULDERS = keypoint_indices(Keypoint.LEFT_SHOULDER, Keypoint.RIGHT_SHOULDER)
ELBOWS = keypoint_indices(Keypoint.LEFT_ELBOW, Keypoint.RIGHT_ELBOW)
WRISTS = keypoint_indices(Keypoint.LEFT_WRIST, Keypoint.RIGHT_WRIST)
HIPS = keypoint_indices(Keypoint.LEFT_HIP, Keypoint.RIGHT_HIP)
KNEES = keypoint_indices(Keypoint.LEFT_KNEE, Keypoint.RIGHT_KNEE)
ANKLES = keypoint_indices(Keypoint.LEFT_ANKLE, Keypoint.RIGHT_ANKLE)
"""The slots of both, left first."""


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
    top, bottom = (keypoints_at(pose, ends)[..., :2].mean(1) for ends in (SHOULDERS, HIPS))
    return Trunk(top, bottom - top, (keypoints_at(pose, SHOULDERS + HIPS)[..., 2] > 0).all(1))


def keypoints_at(pose: Tensor, slots: Slots) -> Tensor:
    """Return these keypoints (B, n, 3) of a pose; no index tensor, which would cause a torch.compile graph break."""
    return torch.stack([pose[:, slot] for slot in slots], dim=1)


def pixel_centres(size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the pixel centres as x (1, W) and y (H, 1), which broadcast to (H, W)."""
    y, x = ((torch.arange(side, device=device) + 0.5) / side for side in size)
    return x[None, :], y[:, None]

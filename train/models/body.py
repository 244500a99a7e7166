"""The person's points and trunk, and where pixels are, in the coordinates of a pose: [0, 1], x right and y down."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from schemas.keypoints import Keypoint

Slots = tuple[int, ...]
"""Where in a pose keypoints lie: plain numbers, since torch.compile and torch.export know no others."""


def slots_of(*keypoints: Keypoint) -> Slots:
    """Return where in a pose these keypoints lie."""
    return tuple(int(keypoint) for keypoint in keypoints)


SHOULDERS = slots_of(Keypoint.LEFT_SHOULDER, Keypoint.RIGHT_SHOULDER)
ELBOWS = slots_of(Keypoint.LEFT_ELBOW, Keypoint.RIGHT_ELBOW)
WRISTS = slots_of(Keypoint.LEFT_WRIST, Keypoint.RIGHT_WRIST)
HIPS = slots_of(Keypoint.LEFT_HIP, Keypoint.RIGHT_HIP)
KNEES = slots_of(Keypoint.LEFT_KNEE, Keypoint.RIGHT_KNEE)
ANKLES = slots_of(Keypoint.LEFT_ANKLE, Keypoint.RIGHT_ANKLE)
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


def points_of(pose: Tensor, slots: Slots) -> Tensor:
    """Return these slots (B, n, 3) of a pose: without a tensor of indices, on which torch.compile breaks off."""
    return torch.stack([pose[:, slot] for slot in slots], dim=1)


def pixel_centres(size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the pixels' centres as x (1, W) and y (H, 1), which together broadcast to a picture (H, W)."""
    y, x = ((torch.arange(side, device=device) + 0.5) / side for side in size)
    return x[None, :], y[:, None]

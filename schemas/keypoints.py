"""The 17 keypoints of a pose (COCO order), shared by Jp and Jg.

A pose is a float32 array of shape (17, 3): x and y in [0, 1] of the crop (x to the right, y down), and a
visibility that is 1 where the point is known and 0 where it is absent; an absent point is all zeros. Left and
right are the wearer's. For a product photograph the same 17 slots hold garment landmarks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

KEYPOINTS: tuple[str, ...] = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
"""Names of the slots, in order."""

NUM_KEYPOINTS = len(KEYPOINTS)

FLIP: tuple[int, ...] = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
"""The slot that each slot becomes when a picture is mirrored."""

SKELETON: tuple[tuple[int, int], ...] = (
    (0, 1), (0, 2), (1, 3), (2, 4), (5, 6), (5, 7), (7, 9), (6, 8), (8, 10),
    (5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16),
)  # fmt: skip
"""Pairs of slots that a drawing of the pose joins by a line."""


def check_pose(pose: NDArray[np.float32]) -> None:
    """Raise ValueError unless ``pose`` is a pose as the module describes it."""
    if pose.dtype != np.float32 or pose.shape != (NUM_KEYPOINTS, 3):
        raise ValueError(f"a pose is float32 ({NUM_KEYPOINTS}, 3), not {pose.dtype} {pose.shape}")
    if not np.isfinite(pose).all():
        raise ValueError("a pose holds NaN or infinity")
    if pose.min() < 0.0 or pose.max() > 1.0:
        raise ValueError(f"a pose lies in [0, 1], not in [{pose.min():g}, {pose.max():g}]")
    if ((pose[:, 2] != 0.0) & (pose[:, 2] != 1.0)).any():
        raise ValueError("the visibility of a keypoint is 0 or 1")
    if pose[pose[:, 2] == 0.0].any():
        raise ValueError("an absent keypoint is all zeros")

"""The 17 keypoints of a pose (COCO order), shared by Jp and Jg.

A pose is a float32 array of shape (17, 3): x and y in [0, 1] of the crop (x to the right, y down), and a
visibility that is 1 where the point is known and 0 where it is absent; an absent point is all zeros. Left and
right are the wearer's. For a product photograph the same 17 slots hold garment landmarks.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Keypoint(IntEnum):
    """The slots of a pose by name, in order."""

    NOSE = 0
    LEFT_EYE = 1
    RIGHT_EYE = 2
    LEFT_EAR = 3
    RIGHT_EAR = 4
    LEFT_SHOULDER = 5
    RIGHT_SHOULDER = 6
    LEFT_ELBOW = 7
    RIGHT_ELBOW = 8
    LEFT_WRIST = 9
    RIGHT_WRIST = 10
    LEFT_HIP = 11
    RIGHT_HIP = 12
    LEFT_KNEE = 13
    RIGHT_KNEE = 14
    LEFT_ANKLE = 15
    RIGHT_ANKLE = 16

    @property
    def mirrored(self) -> Keypoint:
        """The slot that this one becomes when an image is mirrored: left and right are the wearer's."""
        side, _, joint = self.name.partition("_")
        return Keypoint[f"{_OTHER_SIDE[side]}_{joint}"] if side in _OTHER_SIDE else self


_OTHER_SIDE = {"LEFT": "RIGHT", "RIGHT": "LEFT"}

KEYPOINTS: tuple[str, ...] = tuple(keypoint.name.lower() for keypoint in Keypoint)
"""Names of the slots, in order."""

NUM_KEYPOINTS = len(KEYPOINTS)

FLIP: tuple[int, ...] = tuple(int(keypoint.mirrored) for keypoint in Keypoint)
"""The slot that each slot becomes when an image is mirrored."""

TORSO: tuple[Keypoint, ...] = (
    Keypoint.LEFT_SHOULDER, Keypoint.RIGHT_SHOULDER, Keypoint.LEFT_HIP, Keypoint.RIGHT_HIP,
)  # fmt: skip
"""Both shoulders and both hips, which define the body's axis."""

SKELETON: tuple[tuple[int, int], ...] = (
    (Keypoint.NOSE, Keypoint.LEFT_EYE),
    (Keypoint.NOSE, Keypoint.RIGHT_EYE),
    (Keypoint.LEFT_EYE, Keypoint.LEFT_EAR),
    (Keypoint.RIGHT_EYE, Keypoint.RIGHT_EAR),
    (Keypoint.LEFT_SHOULDER, Keypoint.RIGHT_SHOULDER),
    (Keypoint.LEFT_SHOULDER, Keypoint.LEFT_ELBOW),
    (Keypoint.LEFT_ELBOW, Keypoint.LEFT_WRIST),
    (Keypoint.RIGHT_SHOULDER, Keypoint.RIGHT_ELBOW),
    (Keypoint.RIGHT_ELBOW, Keypoint.RIGHT_WRIST),
    (Keypoint.LEFT_SHOULDER, Keypoint.LEFT_HIP),
    (Keypoint.RIGHT_SHOULDER, Keypoint.RIGHT_HIP),
    (Keypoint.LEFT_HIP, Keypoint.RIGHT_HIP),
    (Keypoint.LEFT_HIP, Keypoint.LEFT_KNEE),
    (Keypoint.LEFT_KNEE, Keypoint.LEFT_ANKLE),
    (Keypoint.RIGHT_HIP, Keypoint.RIGHT_KNEE),
    (Keypoint.RIGHT_KNEE, Keypoint.RIGHT_ANKLE),
)
"""Pairs of slots that are connected by a line when a pose is drawn."""


def check_pose(pose: NDArray[np.float32]) -> None:
    """Raise ValueError unless ``pose`` is a pose as the module describes it."""
    if pose.dtype != np.float32 or pose.shape != (NUM_KEYPOINTS, 3):
        raise ValueError(f"a pose is float32 ({NUM_KEYPOINTS}, 3), not {pose.dtype} {pose.shape}")
    if not np.isfinite(pose).all():
        raise ValueError("a pose contains NaN or infinity")
    if pose.min() < 0.0 or pose.max() > 1.0:
        raise ValueError(f"a pose lies in [0, 1], not in [{pose.min():g}, {pose.max():g}]")
    if ((pose[:, 2] != 0.0) & (pose[:, 2] != 1.0)).any():
        raise ValueError("the visibility of a keypoint is 0 or 1")
    if pose[pose[:, 2] == 0.0].any():
        raise ValueError("an absent keypoint is all zeros")

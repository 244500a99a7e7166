"""The pose of a person of whom only the trunk's joints are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas import Keypoint


def trunk_pose() -> NDArray[np.float32]:
    """Shoulders at a quarter of the height, hips in the middle, (17, 3)."""
    points = np.zeros((17, 3), np.float32)
    places = {
        Keypoint.LEFT_SHOULDER: (0.6, 0.25), Keypoint.RIGHT_SHOULDER: (0.4, 0.25), Keypoint.LEFT_HIP: (0.57, 0.55),
        Keypoint.RIGHT_HIP: (0.43, 0.55),
    }  # fmt: skip
    for joint, place in places.items():
        points[joint] = (*place, 1)
    return points

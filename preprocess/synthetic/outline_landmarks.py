"""Landmarks of the varied set's products: those that prep derives from outlines, with all their errors.

VITON-HD and Dress Code have no landmarks, so whoever learns from drawn people gets no better ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from preprocess.loading.garment_outline import estimate
from preprocess.synthetic.drawing.annotated import BACKGROUND, Drawing
from preprocess.synthetic.garments.garment import Slot
from schemas import NUM_KEYPOINTS, Garment, Keypoint

_GARMENTS: Final[dict[Slot, Garment]] = {"upper": "upper", "outer": "upper", "dress": "dress", "lower": "lower"}


def with_outline_landmarks(drawing: Drawing, slot: Slot) -> Drawing:
    """Return a product's drawing with the landmarks of its outline in place of the true ones."""
    points, _ = estimate(drawing.labels != BACKGROUND, _GARMENTS[slot])
    if drawing.view_point == 1:
        # The rule takes what it sees for a front; on a back left and right are exchanged.
        points = points[[slot.mirrored for slot in Keypoint]]
    assert len(points) == NUM_KEYPOINTS
    points[:, 2] = np.where(points[:, 2] > 0, 2.0, 0.0)
    return replace(drawing, keypoints=points)

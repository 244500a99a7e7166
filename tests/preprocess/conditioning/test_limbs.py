"""Hands are cut from arms by the pose: by joints that are sure, and by none where the hand's joint is not."""

import numpy as np
import pytest
from drawn_sets import look

from preprocess.conditioning.crop import normalise
from preprocess.conditioning.limbs import ARM_JOINTS, limb_ends
from preprocess.conditioning.regions import _RANK, LabelMap
from preprocess.formats.aihub_json import Pose
from preprocess.synthetic.drawing.annotated import MODEL_REGIONS
from schemas import Crop, Keypoint


def drawn(seed: int) -> tuple[LabelMap, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    _, regions, points = look(seed, ("top", "trousers"))
    labels = np.zeros(regions.shape, np.uint8)
    for number, name in enumerate(MODEL_REGIONS):
        labels[regions == number] = _RANK[name]
    return labels[:, :768], points * (1, 1, 0) + (0, 0, 1) * (points[:, 2:] > 0)


def hand_pixels(seed: int, score: float) -> tuple[int, int]:
    """Return the pixels of the right and of the left hand, for a score of the left wrist."""
    labels, points = drawn(seed)
    points[Keypoint.LEFT_WRIST, 2] = score
    left = labels == _RANK["left_arm"]
    ends = list(limb_ends(labels, points, ARM_JOINTS))
    return sum(int((end & ~left).sum()) for end in ends), sum(int((end & left).sum()) for end in ends)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_an_unsure_wrist_shows_no_hand_and_no_forearm(seed: int) -> None:
    right, left = hand_pixels(seed, 1)
    assert min(right, left) > 0
    assert hand_pixels(seed, 0.5) == (right, 0)


def test_without_any_wrist_the_hand_is_a_hands_length_from_the_tip() -> None:
    assert hand_pixels(2, 0)[1] > 0


def test_Jp_has_unsure_joints() -> None:
    points = drawn(2)[1]
    points[Keypoint.LEFT_WRIST, 2] = 0.5
    known = normalise(Pose(points, "front", None, ()), Crop(x=0, y=0, side=1024))
    assert known[Keypoint.LEFT_WRIST, 2] == 1

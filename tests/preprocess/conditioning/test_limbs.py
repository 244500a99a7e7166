"""Hands are cut from arms by the pose: by joints that are sure, and by none where the hand's joint is not."""

import numpy as np
import pytest
from drawn_sets import look

from preprocess.conditioning.crop import normalise
from preprocess.conditioning.limbs import ARM_JOINTS, LEG_JOINTS, Joints, limb_ends
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


@pytest.mark.parametrize("seed", [2, 4, 8])
def test_what_is_left_of_an_upper_arm_is_no_hand(seed: int) -> None:
    """The forearm is beyond the photograph's edge, or behind something, and its wrist is in no place."""
    labels, points = drawn(seed)
    rows = np.arange(len(labels))[:, None]
    elbow = points[Keypoint.LEFT_ELBOW]
    labels[(labels == _RANK["left_arm"]) & (rows > elbow[1] + 5)] = 0
    _label_bone(labels, points[Keypoint.LEFT_SHOULDER, :2], elbow[:2], "left_arm")
    points[Keypoint.LEFT_WRIST] = 0
    left = labels == _RANK["left_arm"]
    assert left.any()
    assert not any((end & left).any() for end in limb_ends(labels, points, ARM_JOINTS))


@pytest.mark.parametrize("share", [0.5, 0.7, 0.9])
@pytest.mark.parametrize(("root", "end", "joints"), [("ELBOW", "WRIST", ARM_JOINTS), ("KNEE", "ANKLE", LEG_JOINTS)])
def test_a_limb_that_the_photographs_edge_cuts_has_no_end(share: float, root: str, end: str, joints: Joints) -> None:
    labels, points = drawn(2)
    name = "left_arm" if root == "ELBOW" else "left_leg"
    middle, last = points[Keypoint[f"LEFT_{root}"], :2], points[Keypoint[f"LEFT_{end}"], :2]
    _label_bone(labels, middle, last, name)
    rows = np.arange(len(labels))[:, None]
    labels[np.broadcast_to(rows > middle[1] + share * (last[1] - middle[1]), labels.shape)] = 0
    points[Keypoint[f"LEFT_{end}"]] = 0
    limb = labels == _RANK[name]
    assert limb.any()
    assert not any((found & limb).any() for found in limb_ends(labels, points, joints))


def _label_bone(labels: LabelMap, start: np.ndarray, end: np.ndarray, name: str) -> None:
    """Label a bar 60 pixels wide from one joint to the next."""
    rows, columns = np.indices(labels.shape)
    apart = np.dstack([columns, rows]) - start
    along = np.clip(apart @ (end - start) / np.square(end - start).sum(), 0, 1)
    labels[np.hypot(*np.moveaxis(apart - along[..., None] * (end - start), -1, 0)) < 30] = _RANK[name]


def test_Jp_has_unsure_joints() -> None:
    points = drawn(2)[1]
    points[Keypoint.LEFT_WRIST, 2] = 0.5
    known = normalise(Pose(points, "front", None, ()), Crop(x=0, y=0, side=1024))
    assert known[Keypoint.LEFT_WRIST, 2] == 1

import numpy as np
import pytest

from schemas import FLIP, KEYPOINTS, NUM_KEYPOINTS, SKELETON, check_pose


def test_flip_exchanges_left_and_right_and_nothing_else() -> None:
    for slot, name in enumerate(KEYPOINTS):
        mirrored = name.replace("left", "?").replace("right", "left").replace("?", "right")
        assert KEYPOINTS[FLIP[slot]] == mirrored


def test_skeleton_names_slots() -> None:
    assert all(0 <= a < NUM_KEYPOINTS and 0 <= b < NUM_KEYPOINTS and a != b for a, b in SKELETON)


def good_pose() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    pose = np.zeros((NUM_KEYPOINTS, 3), np.float32)
    pose[5] = (0.25, 1.0, 1.0)
    return pose


def test_a_good_pose_passes() -> None:
    check_pose(good_pose())


@pytest.mark.parametrize(
    ("slot", "value", "said"),
    [
        (5, (1.5, 0.5, 1.0), r"\[0, 1\]"),
        (5, (-0.1, 0.5, 1.0), r"\[0, 1\]"),
        (5, (np.nan, 0.5, 1.0), "NaN"),
        (5, (0.5, 0.5, 0.5), "visibility"),
        (6, (0.5, 0.5, 0.0), "zeros"),
    ],
    ids=["beyond", "negative", "nan", "half-visible", "absent-but-placed"],
)
def test_a_bad_pose_is_named(slot: int, value: tuple[float, float, float], said: str) -> None:
    pose = good_pose()
    pose[slot] = value
    with pytest.raises(ValueError, match=said):
        check_pose(pose)


def test_a_pose_of_another_type_is_named() -> None:
    with pytest.raises(ValueError, match="float64"):
        check_pose(good_pose().astype(np.float64))

"""Landmarks from the outline, against those of drawn outlines of every kind of garment and of laying out."""

import numpy as np
import pytest
from drawn_outlines import KINDS, draw
from garment_landmarks import Count, compare

from preprocess.loading.garment_outline import UNSURE, estimate, note_of
from schemas import Keypoint

HARD = {"long, spread": 0.82, "long, bent": 0.85, "hood": 0.8, "one sleeve": 0.65, "maternity": 0.75, "coat": 0.8,
        "cropped, long sleeves": 0.82, "dress, waistless": 0.75, "folded sleeves": 0.8}  # fmt: skip
"""Least share of right landmarks of kinds whose outline is hard to read."""
ARMS = [Keypoint.LEFT_ELBOW, Keypoint.RIGHT_ELBOW, Keypoint.LEFT_WRIST, Keypoint.RIGHT_WRIST]


def counted(kind: str) -> Count:
    count = Count()
    for seed in range(8):
        count.add(compare(draw(kind, seed)))
    return count


@pytest.mark.parametrize("kind", KINDS)
def test_landmarks_are_within_three_percent_of_the_box(kind: str) -> None:
    count = counted(kind)
    assert count.right >= HARD.get(kind, 0.85) * count.shown


def test_the_ends_of_folded_sleeves_are_absent() -> None:
    points = [estimate(draw("folded sleeves", seed).mask, "upper")[0] for seed in range(8)]
    assert np.mean([known[ARMS, 2].any() for known in points]) <= 0.25


def test_a_plain_top_is_sure_and_a_bar_is_not() -> None:
    assert note_of(estimate(draw("short sleeves", 0).mask, "upper")[1]) == ()
    bar = np.zeros((200, 200), np.bool_)
    bar[90:100, 10:190] = True
    assert estimate(bar, "upper")[1] < UNSURE

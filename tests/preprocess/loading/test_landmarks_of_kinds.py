"""Landmarks from the outline, against those of drawn outlines of every kind of garment and of laying out."""

from collections.abc import Iterable
from functools import cache

import numpy as np
import pytest
from drawn_outlines import KINDS, draw
from garment_landmarks import Count, compare

from preprocess.loading.garment_outline import UNSURE, estimate, note_of
from schemas import Keypoint

SEEDS = range(500, 508)
LEAST = 0.9
"""Share of a kind's landmarks that must be right of few garments; benchmarks/garment_landmarks.py measures on more."""
ARMS = [Keypoint.LEFT_ELBOW, Keypoint.RIGHT_ELBOW, Keypoint.LEFT_WRIST, Keypoint.RIGHT_WRIST]
LEGS = [Keypoint.LEFT_KNEE, Keypoint.RIGHT_KNEE, Keypoint.LEFT_ANKLE, Keypoint.RIGHT_ANKLE]
HIPS = [Keypoint.LEFT_HIP, Keypoint.RIGHT_HIP]


@cache
def counted(kind: str) -> tuple[Count, ...]:
    return tuple(compare(draw(kind, seed)) for seed in SEEDS)


def total(counts: Iterable[Count]) -> Count:
    count = Count()
    for one in counts:
        count.add(one)
    return count


@pytest.mark.parametrize("kind", KINDS)
def test_landmarks_are_within_three_percent_of_the_box(kind: str) -> None:
    count = total(counted(kind))
    assert count.right >= LEAST * count.shown


def test_points_of_sure_garments_are_right_and_few_garments_are_unsure() -> None:
    garments = [one for kind in KINDS if kind != "crossed legs" for one in counted(kind)]
    sure = total(one for one in garments if not one.unsure)
    assert sure.wrong <= 0.015 * sure.given
    assert total(garments).unsure <= 0.06 * len(garments)


@pytest.mark.parametrize("kind", ["crossed sleeves", "folded sleeves"])
def test_the_ends_of_sleeves_that_lie_on_the_trunk_are_absent(kind: str) -> None:
    points = [estimate(draw(kind, seed).mask, "upper")[0] for seed in SEEDS]
    assert np.mean([known[ARMS, 2].any() for known in points]) <= 0.15


def test_crossed_legs_have_no_knees_and_are_unsure() -> None:
    for seed in SEEDS:
        points, sure = estimate(draw("crossed legs", seed).mask, "lower")
        assert not points[LEGS, 2].any()
        assert note_of(sure)


def test_a_waist_that_the_outline_does_not_show_is_absent() -> None:
    for seed in SEEDS:
        assert not estimate(draw("dress, waistless", seed).mask, "dress")[0][HIPS, 2].any()
        assert estimate(draw("dress, A-line", seed).mask, "dress")[0][HIPS, 2].all()


def test_a_plain_top_is_sure_and_a_bar_is_not() -> None:
    assert note_of(estimate(draw("short sleeves", 0).mask, "upper")[1]) == ()
    bar = np.zeros((200, 200), np.bool_)
    bar[90:100, 10:190] = True
    assert estimate(bar, "upper")[1] < UNSURE

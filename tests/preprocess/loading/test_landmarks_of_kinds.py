"""Landmarks from the outline, against those of drawn outlines of every kind of garment and of laying out."""

from collections.abc import Iterable
from functools import cache

import cv2
import numpy as np
import pytest
from drawn_outlines import KINDS, Outline, draw
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


def missed(outline: Outline) -> list[str]:
    """Return the landmarks that are absent or farther off than the benchmark's bound."""
    points, _ = estimate(outline.mask, outline.garment)
    rows, columns = np.nonzero(outline.mask)
    side = max(np.ptp(rows), np.ptp(columns)) + 1
    away = np.hypot(*(points[:, :2] - outline.points[:, :2]).T)
    wanted = (outline.points[:, 2] > 0) & outline.shown
    return [slot.name for slot in Keypoint if wanted[slot] and (not points[slot, 2] or away[slot] > 0.03 * side)]


@pytest.mark.parametrize("kind", ["hood", "cropped, long sleeves", "dress, waistless", "skirt, A-line"])
def test_most_garments_of_the_hard_kinds_have_every_point(kind: str) -> None:
    assert sum(bool(missed(draw(kind, seed))) for seed in SEEDS) <= 2


def test_a_straight_shoulder_is_where_the_other_sides_corner_shows_it() -> None:
    """Of these, sleeve and shoulder of one side are one straight line."""
    for kind, seed in (("hood", 13001), ("hood", 13008), ("maternity", 13033), ("wide", 13038)):
        assert not missed(draw(kind, seed))


def test_the_hem_of_a_cropped_top_is_found_where_it_goes_behind_a_sleeve() -> None:
    for seed in (13001, 13003, 13007, 13008, 13013, 13026):
        outline = draw("cropped, long sleeves", seed)
        assert estimate(outline.mask, "upper")[0][HIPS, 2].all()
        assert not missed(outline)


def test_round_sleeves_end_at_their_cuffs() -> None:
    """The outer edge of a real T-shirt's sleeve is round: one more corner than that of a straight one."""
    side = np.array(
        [(0, 60), (45, 40), (90, 55), (125, 75), (147, 110), (165, 175), (172, 215), (125, 235), (100, 200)]
    )
    body = np.array([*side, (96, 300), (100, 430), (0, 435)])
    mask = np.zeros((480, 400), np.uint8)
    for sign in (1, -1):
        cv2.fillPoly(mask, [body * (sign, 1) + (200, 0)], 1)
    points, sure = estimate(mask > 0, "upper")
    assert note_of(sure) == ()
    for sign, elbow, shoulder in ((1, ARMS[0], Keypoint.LEFT_SHOULDER), (-1, ARMS[1], Keypoint.RIGHT_SHOULDER)):
        assert np.hypot(*(points[elbow, :2] - (200 + sign * 148.5, 225))) < 0.04 * 400
        assert np.hypot(*(points[shoulder, :2] - (200 + sign * 125, 75))) < 0.05 * 400

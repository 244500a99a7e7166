"""Landmarks by the outline: on drawn product pictures the truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from preprocess.annotate.landmarks import garment_landmarks
from preprocess.drawn.garment import Kind, garment
from preprocess.drawn.item import draw_item
from preprocess.drawn.regions import BACKGROUND
from schemas import Garment

KINDS: dict[Kind, Garment] = {
    "top": "upper", "outer": "upper", "dress": "dress", "trousers": "lower", "shorts": "lower", "skirt": "lower",
}  # fmt: skip
LIMIT: dict[Kind, float] = {"top": 0.05, "outer": 0.08, "dress": 0.05, "trousers": 0.05, "shorts": 0.15, "skirt": 0.05}
"""Median distance from the truth, in heights of the garment; legs of shorts that touch look like a skirt."""


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_near_the_truth_of_drawn_garments(kind: Kind) -> None:
    away: list[float] = []
    for seed in range(6):
        drawing = draw_item(garment(seed, kind), back=False)
        mask = drawing.labels != BACKGROUND
        found = garment_landmarks(mask, KINDS[kind])
        both = (found[:, 2] > 0) & (drawing.keypoints[:, 2] > 0)
        height = float(np.ptp(np.flatnonzero(mask.any(axis=1))))
        away += (np.hypot(*(found - drawing.keypoints)[both, :2].T) / height).tolist()
        if kind != "outer":  # a long coat's hem is at the knees' slots, which the outline does not tell
            assert ((found[:, 2] > 0) == (drawing.keypoints[:, 2] > 0)).all(), seed
    assert np.median(away) < LIMIT[kind]


def test_the_wearers_left_is_on_the_right() -> None:
    mask = np.zeros((100, 80), np.bool_)
    mask[20:80, 20:60] = True
    points = garment_landmarks(mask, "upper")
    assert np.flatnonzero(points[:, 2]).tolist() == [5, 6, 11, 12]
    assert points[5, 0] > points[6, 0]
    assert points[11, 0] > points[12, 0]


@pytest.mark.parametrize("kind", ["upper", "lower", "dress"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (40, 3)])
def test_odd_outlines_have_landmarks_inside_of_the_picture(kind: Garment, shape: tuple[int, int]) -> None:
    mask = np.zeros((50, 50), np.bool_)
    mask[5 : 5 + shape[0], 7 : 7 + shape[1]] = True
    points = garment_landmarks(mask, kind)
    assert np.isfinite(points).all()
    assert (points[:, :2] <= 50).all()
    assert (points[:, :2] >= 0).all()


def test_an_empty_mask_has_none() -> None:
    with pytest.raises(ValueError, match="empty"):
        garment_landmarks(np.zeros((10, 10), np.bool_), "upper")

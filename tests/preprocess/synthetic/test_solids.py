"""Lathes and tubes: their outline is where geometry says, and patterns turn with the body."""

from __future__ import annotations

import math

import numpy as np
import pytest

from preprocess.synthetic.drawing.solids import Profile, lathe, tube
from preprocess.synthetic.drawing.view import View

STRAIGHT = Profile(((0.1, 0.10, 0.05, 0.0), (0.3, 0.10, 0.05, 0.0), (0.6, 0.10, 0.05, 0.0)))


def _view(degrees: float) -> View:
    return View(math.radians(degrees), 800.0, 360.0, 200.0)


@pytest.mark.parametrize(
    ("degrees", "half"), [(0.0, 80.0), (90.0, 40.0), (45.0, math.hypot(80.0, 40.0) / math.sqrt(2))]
)
def test_lathe_is_as_wide_as_its_ellipse_from_that_angle(degrees: float, half: float) -> None:
    surface = lathe(_view(degrees), STRAIGHT, 0.2, 0.5)
    row = surface.cover[surface.cover.shape[0] // 2]
    assert row.sum() == pytest.approx(2 * half, abs=1.0)


def test_lathe_has_the_requested_height() -> None:
    surface = lathe(_view(0.0), STRAIGHT, 0.2, 0.5)
    assert surface.cover[:, surface.cover.shape[1] // 2].sum() == pytest.approx(0.3 * 800.0, abs=1.5)


@pytest.mark.parametrize("degrees", [0.0, 40.0, 90.0, 180.0])
def test_front_turns_away_with_the_body(degrees: float) -> None:
    surface = lathe(_view(degrees), STRAIGHT, 0.2, 0.5)
    shown = (surface.front * (surface.cover > 0.5)).sum() / (surface.cover > 0.5).sum()
    assert math.copysign(1.0, round(float(shown), 2) or 1.0) == math.copysign(
        1.0, math.cos(math.radians(degrees)) + 0.1
    )


def test_left_of_the_wearer_is_right_in_a_front_view() -> None:
    surface = lathe(_view(0.0), STRAIGHT, 0.2, 0.5)
    middle = surface.side[surface.side.shape[0] // 2]
    assert middle[-5] > 0 > middle[5]
    assert np.all(np.diff(middle) >= 0)


def test_tube_covers_its_axis_and_can_end_flat() -> None:
    points = [(0.0, 0.2, 0.0), (0.0, 0.5, 0.0)]
    radii = ((0.0, 0.03), (0.3, 0.03))
    round_end, flat_end = (tube(_view(0.0), points, radii, flat=flat) for flat in (False, True))
    width = float(round_end.cover[round_end.cover.shape[0] // 2].sum())
    assert width == pytest.approx(2 * 0.03 * 800.0, abs=1.5)
    assert round_end.cover.sum() > flat_end.cover.sum()
    assert flat_end.down.max() == pytest.approx(0.3 * 800.0, abs=1.0)


def test_far_side_of_a_front_view_is_the_back() -> None:
    surface = lathe(_view(0.0), STRAIGHT, 0.2, 0.5)
    row, column = (size // 2 for size in surface.cover.shape)
    assert math.cos(float(surface.far_turn[row, column])) == pytest.approx(-1.0, abs=1e-3)

"""Curves are means over stretches of steps."""

from __future__ import annotations

import numpy as np

from train.reporting.run_series import MAX_POINTS, curve, last_mean


def test_few_steps_are_shown_individually() -> None:
    steps = np.arange(1.0, 5.0)
    found = curve(steps, steps**2)
    assert (found.x.tolist(), found.y.tolist(), found.stride) == ([1, 2, 3, 4], [1, 4, 9, 16], 1)


def test_many_steps_are_averaged_over_strides_and_a_shorter_last_one() -> None:
    steps = np.arange(1.0, 2 * MAX_POINTS)
    found = curve(steps, np.where(steps % 2, 1.0, 3.0))
    assert found.stride == 2
    assert len(found.x) == MAX_POINTS
    assert found.x[0] == 1.5
    assert found.y[0] == 2.0
    assert (found.x[-1], found.y[-1]) == (2 * MAX_POINTS - 1, 1.0)


def test_missing_values_are_excluded_from_means() -> None:
    values = np.full(2 * MAX_POINTS, 5.0)
    values[0] = values[2] = values[3] = np.nan
    found = curve(np.arange(2.0 * MAX_POINTS), values)
    assert found.y[0] == 5.0
    assert np.isnan(found.y[1])


def test_no_steps_give_no_points() -> None:
    assert len(curve(np.empty(0), np.empty(0)).x) == 0
    assert np.isnan(last_mean(np.empty(0)))


def test_the_last_mean_covers_a_twentieth_and_at_least_one_step() -> None:
    assert last_mean(np.array([1.0, 9.0])) == 9.0
    assert last_mean(np.r_[np.zeros(95), np.full(5, 2.0)]) == 2.0

"""Noise schedules: known values, identities, and precision at the ends."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from train.diffusion.schedule import (
    CosineSchedule,
    LinearSchedule,
    Schedule,
    ScheduleName,
    expand_like,
    make_schedule,
    shift_times,
    time_at,
)

TIMES = torch.linspace(0, 1, 2001, dtype=torch.float64)


@pytest.fixture(params=["cosine", "linear"])
def schedule(request: pytest.FixtureRequest) -> Schedule:
    name: ScheduleName = request.param
    return make_schedule(name)


def test_variance_is_preserved(schedule: Schedule) -> None:
    alpha, sigma = schedule.alpha_sigma(TIMES)
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones_like(TIMES), rtol=0, atol=1e-14)


def test_log_snr_strictly_decreases_and_matches_alpha_and_sigma(schedule: Schedule) -> None:
    log_snr = schedule.log_snr(TIMES)
    alpha, sigma = schedule.alpha_sigma(TIMES)
    assert (log_snr.diff() < 0).all()
    torch.testing.assert_close(torch.log(alpha**2 / sigma**2), log_snr)


def test_float32_keeps_its_precision_at_both_ends(schedule: Schedule) -> None:
    ends = torch.tensor([0.0, 1e-4, 1e-3, 0.999, 0.9999, 1.0])
    for single, double in zip(schedule.alpha_sigma(ends), schedule.alpha_sigma(ends.double()), strict=True):
        assert single.dtype == torch.float32
        torch.testing.assert_close(single.double(), double, rtol=1e-7, atol=0)
        assert (single > 0).all()


def test_cosine_matches_the_paper() -> None:
    alpha, sigma = CosineSchedule().alpha_sigma(TIMES)
    torch.testing.assert_close(alpha, torch.cos(0.5 * math.pi * TIMES), rtol=0, atol=5e-5)
    torch.testing.assert_close(sigma, torch.sin(0.5 * math.pi * TIMES), rtol=0, atol=5e-5)
    ends = CosineSchedule().log_snr(torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64))
    torch.testing.assert_close(ends, torch.tensor([20.0, 0.0, -20.0], dtype=torch.float64), rtol=0, atol=1e-6)


def test_linear_matches_all_1000_steps() -> None:
    alpha_bar = np.cumprod(1.0 - np.linspace(1e-4, 0.02, 1000))
    alpha, _ = LinearSchedule().alpha_sigma(torch.arange(1000, dtype=torch.float64) / 999)
    np.testing.assert_allclose(alpha.numpy() ** 2, alpha_bar, rtol=1e-9)


def test_an_unknown_schedule_is_refused() -> None:
    with pytest.raises(ValueError, match="one of cosine, linear"):
        make_schedule("quadratic")  # type: ignore[arg-type]


def test_per_sample_multiplies_samples_not_columns() -> None:
    x = torch.ones(2, 3, 2, 2)
    assert (expand_like(torch.tensor([1.0, 2.0]), x) * x).mean((1, 2, 3)).tolist() == [1.0, 2.0]


def test_time_at_inverts_the_log_snr_and_clamps_at_the_ends(schedule: Schedule) -> None:
    t = torch.linspace(0.01, 0.99, 37, dtype=torch.float64)
    torch.testing.assert_close(time_at(schedule.log_snr(t), schedule), t, rtol=0, atol=1e-12)
    assert time_at(torch.tensor([99.0, -99.0]).double(), schedule).round(decimals=12).tolist() == [0.0, 1.0]


def test_shifted_times_keep_their_order_and_ends() -> None:
    u = torch.linspace(0.0, 1.0, 101)
    assert torch.equal(shift_times(u, 1.0), u)
    late = shift_times(u, 3.0)
    assert late[[0, -1]].tolist() == [0.0, 1.0]
    assert (late.diff() > 0).all()
    assert late[50] == pytest.approx(0.75)
    torch.testing.assert_close(shift_times(late, 1 / 3.0), u)

"""Samplers against exactly known answers.

For Gaussian data the best denoiser is linear, so each sampler is an affine map of its noises. Feeding it the origin and
the unit vectors gives that map, and with it the mean and covariance of its images without sampling error.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from train.diffusion.guidance import Denoise, guided_denoiser
from train.diffusion.objective import DenoiserOutput, with_x0
from train.diffusion.randomness import SampleNoise
from train.diffusion.samplers import GRID_LOG_SNR, SAMPLERS, TIME_GRIDS, GridName, log_snr_grid, time_grid
from train.diffusion.schedule import CosineSchedule, LinearSchedule, Schedule, time_at
from train.models.condition import Condition

MEAN = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)
ROOT = torch.tensor([[0.5, 0.0, 0.0], [0.2, 0.3, 0.0], [-0.1, 0.1, 0.2]], dtype=torch.float64)
COVARIANCE = ROOT @ ROOT.T


def exact_denoiser(schedule: Schedule) -> Denoise:
    """E[x | z_t] for x ~ N(MEAN, COVARIANCE), for images of three channels and one pixel."""

    def denoise(z_t: Tensor, t: Tensor) -> DenoiserOutput:
        alpha, sigma = (value[0] for value in schedule.alpha_sigma(t))
        gain = alpha * COVARIANCE @ torch.linalg.inv(alpha**2 * COVARIANCE + sigma**2 * torch.eye(3).double())
        x0 = MEAN + (z_t.flatten(1) - alpha * MEAN) @ gain.T
        return with_x0(x0.reshape(z_t.shape), z_t, t, schedule)

    return denoise


def even_in_log_snr(steps: int) -> Tensor:
    """Return the cosine schedule's times evenly spaced in λ, so that the error shows only the sampler's order."""
    return time_at(torch.linspace(-20, 20, steps + 1, dtype=torch.float64), CosineSchedule())


def spreads(name: str, times: Tensor, schedule: Schedule, stds: Tensor) -> Tensor:
    """Return the exact standard deviations of a sampler's images, for data independent with ``stds`` (n,)."""

    def denoise(z_t: Tensor, t: Tensor) -> DenoiserOutput:
        alpha, sigma = (value[0] for value in schedule.alpha_sigma(t))
        return with_x0(z_t * alpha * stds**2 / (alpha**2 * stds**2 + sigma**2), z_t, t, schedule)

    unit = torch.eye(len(times), dtype=torch.float64)[:, :, None, None, None].expand(-1, -1, 1, 1, len(stds))
    images = SAMPLERS[name](denoise, unit[:, 0], times, schedule, lambda step: unit[:, 1 + step])
    return images.square().sum((0, 1, 2))


def moments(name: str, times: Tensor, schedule: Schedule) -> tuple[Tensor, Tensor]:
    """Return the exact mean (3,) and covariance (3, 3) of a sampler's images."""
    rows = 1 + 3 * len(times)
    unit = torch.eye(rows, dtype=torch.float64)[:, 1:].reshape(rows, len(times), 3)

    def noise(step: int) -> Tensor:
        return unit[:, 1 + step, :, None, None]

    images = SAMPLERS[name](exact_denoiser(schedule), unit[:, 0, :, None, None], times, schedule, noise)
    mean = images[0].flatten()
    effects = images[1:].flatten(1) - mean
    return mean, effects.T @ effects


def error(name: str, times: Tensor, schedule: Schedule) -> float:
    mean, covariance = moments(name, times, schedule)
    return float((covariance - COVARIANCE).norm() / COVARIANCE.norm() + (mean - MEAN).norm())


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("schedule", [CosineSchedule(), LinearSchedule()], ids=["cosine", "linear"])
def test_gaussian_data_keep_their_mean_and_covariance(name: str, schedule: Schedule) -> None:
    mean, covariance = moments(name, time_grid(256), schedule)
    torch.testing.assert_close(mean, MEAN, rtol=0, atol=0.01)
    torch.testing.assert_close(covariance, COVARIANCE, rtol=0.05, atol=0.003)


@pytest.mark.parametrize(("name", "order"), [("ddpm", 1), ("ddim", 1), ("dpmpp_2m", 2)])
def test_the_error_falls_with_the_samplers_order(name: str, order: int) -> None:
    errors = torch.tensor([error(name, even_in_log_snr(steps), CosineSchedule()) for steps in (64, 128, 256)])
    orders = torch.log2(errors[:-1] / errors[1:])
    assert orders.min() > order - 0.35, orders
    assert orders.max() < order + 0.35, orders


@pytest.mark.parametrize("schedule", [CosineSchedule(), LinearSchedule()], ids=["cosine", "linear"])
def test_on_its_grid_the_second_order_sampler_keeps_coarse_and_fine_detail(schedule: Schedule) -> None:
    """25 steps evenly spaced in λ have less error than 256 of the paper's sampler, at every scale."""
    stds = torch.tensor([4.0, 1.0, 0.2, 0.05], dtype=torch.float64)

    def worst(name: str, times: Tensor) -> float:
        return float((spreads(name, times, schedule, stds).sqrt() / stds - 1).abs().max())

    fast = worst("dpmpp_2m", log_snr_grid(25, schedule))
    assert fast < 0.025
    assert fast < 0.3 * worst("ddpm", time_grid(256))
    assert fast < 0.1 * worst("dpmpp_2m", time_grid(25))


@pytest.mark.parametrize("schedule", [CosineSchedule(), LinearSchedule()], ids=["cosine", "linear"])
@pytest.mark.parametrize("steps", [1, 2, 25])
def test_the_log_snr_grid_is_even_and_ends_at_zero(schedule: Schedule, steps: int) -> None:
    times = log_snr_grid(steps, schedule)
    assert times.shape == (steps + 1,)
    assert (times.diff() < 0).all()
    assert times[-1] == 0
    even = torch.linspace(-GRID_LOG_SNR, GRID_LOG_SNR, steps, dtype=torch.float64)
    torch.testing.assert_close(schedule.log_snr(times[:-1]), even, rtol=0, atol=1e-9)


@pytest.mark.parametrize("grid", TIME_GRIDS)
def test_a_grid_has_at_least_one_step(grid: GridName) -> None:
    with pytest.raises(ValueError, match="steps=0"):
        TIME_GRIDS[grid](0, CosineSchedule())


def test_the_second_order_sampler_needs_fewer_steps() -> None:
    assert error("dpmpp_2m", time_grid(20), CosineSchedule()) < error("ddim", time_grid(80), CosineSchedule())


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_last_step_returns_the_estimate_itself(name: str, steps: int) -> None:
    schedule = CosineSchedule()
    calls: list[tuple[float, Tensor]] = []

    def denoise(z_t: Tensor, t: Tensor) -> DenoiserOutput:
        calls.append((float(t[0]), torch.full_like(z_t, 0.25 + 0.1 * len(calls))))
        return with_x0(calls[-1][1], z_t, t, schedule)

    z_1 = torch.randn(2, 3, 4, 4)
    out = SAMPLERS[name](denoise, z_1, time_grid(steps), schedule, lambda _step: torch.randn_like(z_1))
    assert torch.equal(out, calls[-1][1])
    torch.testing.assert_close(torch.tensor([t for t, _ in calls]), time_grid(steps)[:-1].float())


@pytest.mark.parametrize("name", SAMPLERS)
def test_mistake_4_the_model_gets_a_new_z_t_at_every_step(name: str) -> None:
    calls: list[Tensor] = []

    def model(z_t: Tensor, _t: Tensor, _condition: Condition) -> Tensor:
        calls.append(z_t.clone())
        return 0.5 * z_t

    schedule, z_1 = CosineSchedule(), torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    condition = Condition(torch.zeros(1, 1), low_res=torch.zeros_like(z_1))
    denoise = guided_denoiser(model, condition, schedule, weight=1.0)
    SAMPLERS[name](denoise, z_1, time_grid(4), schedule, lambda _step: torch.zeros_like(z_1))
    assert torch.equal(calls[0], z_1)
    assert all(not torch.equal(a, b) for a, b in pairwise(calls))
    assert len(calls) == 4


@pytest.mark.parametrize("name", SAMPLERS)
def test_an_image_does_not_depend_on_its_batch(name: str) -> None:
    schedule = CosineSchedule()
    denoise = exact_denoiser(schedule)

    def sample(positions: range) -> Tensor:
        source = SampleNoise(3, "base", positions)
        z_1 = source.normal((3, 1, 1), "z_1").double()
        noise = lambda step: source.normal((3, 1, 1), "sampler", step)  # noqa: E731
        return SAMPLERS[name](denoise, z_1, time_grid(8), schedule, noise)

    torch.testing.assert_close(sample(range(5))[3:], sample(range(3, 5)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", SAMPLERS)
def test_float32_is_enough(name: str) -> None:
    schedule, source = CosineSchedule(), SampleNoise(0, "base", range(16))
    exact = exact_denoiser(schedule)

    def single(z_t: Tensor, t: Tensor) -> DenoiserOutput:
        assert z_t.dtype == t.dtype == torch.float32
        return with_x0(exact(z_t.double(), t.double()).x0.float(), z_t, t, schedule)

    def noise(step: int) -> Tensor:
        return source.normal((3, 1, 1), step)

    z_1 = source.normal((3, 1, 1), "z_1")
    out = SAMPLERS[name](single, z_1, time_grid(64), schedule, noise)
    expected = SAMPLERS[name](exact, z_1.double(), time_grid(64), schedule, noise)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out.double(), expected, rtol=0, atol=1e-4)


def test_time_grid_runs_from_one_to_zero() -> None:
    assert time_grid(4).tolist() == [1.0, 0.75, 0.5, 0.25, 0.0]


@pytest.mark.parametrize("name", SAMPLERS)
def test_on_step_is_called_before_each_evaluation_and_can_cancel(name: str) -> None:
    schedule, times, happened = CosineSchedule(), time_grid(4), list[object]()

    def denoise(z_t: Tensor, t: Tensor) -> DenoiserOutput:
        happened.append(t.item())
        return exact_denoiser(schedule)(z_t, t)

    def on_step(step: int, steps: int) -> None:
        happened.append((step, steps))
        if cancelled and step == 2:
            raise KeyboardInterrupt

    z_1 = torch.ones(1, 3, 1, 1, dtype=torch.float64)
    cancelled = False
    SAMPLERS[name](denoise, z_1, times, schedule, lambda _: torch.zeros_like(z_1), on_step)
    assert happened == [(0, 4), 1.0, (1, 4), 0.75, (2, 4), 0.5, (3, 4), 0.25]
    happened.clear()
    cancelled = True
    with pytest.raises(KeyboardInterrupt):
        SAMPLERS[name](denoise, z_1, times, schedule, lambda _: torch.zeros_like(z_1), on_step)
    assert happened == [(0, 4), 1.0, (1, 4), 0.75, (2, 4)]

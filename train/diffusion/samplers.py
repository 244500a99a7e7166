"""Samplers: plain functions of one signature, from noise z_1 to a picture.

Each takes ``times``, strictly decreasing to 0 from where a picture passes for noise (see ``TIME_GRIDS``), and calls
``denoise`` once per step, at every time but the last; the last step returns the estimated picture itself, without
noise. ``noise(step)`` gives the standard normal tensor of a step, shaped as z_1; keyed per sample it makes a picture
independent of its batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import torch
from torch import Tensor

from train.diffusion.guidance import Denoise
from train.diffusion.schedule import Schedule, time_at

Noise = Callable[[int], Tensor]

GridName = Literal["time", "log-snr"]
"""At which times a sampler stops: evenly in t, or evenly in the log-SNR."""

GRID_LOG_SNR = 9.0
"""|λ| at both ends of the log-SNR grid, just inside of the linear schedule (+9.2, -10.1): beyond, α is below 0.011 and
there is nothing to see of a picture, or σ is, and there is nothing left to remove."""


class Sampler(Protocol):
    """What all samplers look like."""

    def __call__(self, denoise: Denoise, z_1: Tensor, times: Tensor, schedule: Schedule, noise: Noise) -> Tensor:
        """Return pictures of z_1's shape (B, 3, H, W)."""


def time_grid(steps: int) -> Tensor:
    """Return ``steps`` + 1 times, evenly from 1 to 0, in float64; raises ValueError below one step."""
    if steps < 1:
        raise ValueError(f"steps={steps}: sampling takes at least 1")
    return torch.linspace(1.0, 0.0, steps + 1, dtype=torch.float64)


def log_snr_grid(steps: int, schedule: Schedule) -> Tensor:
    """Return ``steps`` times between which λ grows evenly from -9 to +9, and 0, in float64.

    On such a grid the multistep sampler is of second order, and coarse and fine detail get equal shares of the steps
    (Lu et al. 2022, §5; docs/sampling.md). Raises ValueError below one step.
    """
    if steps < 1:
        raise ValueError(f"steps={steps}: sampling takes at least 1")
    times = time_at(torch.linspace(-GRID_LOG_SNR, GRID_LOG_SNR, steps, dtype=torch.float64), schedule)
    return torch.cat([times, times.new_zeros(1)])


def ddpm(denoise: Denoise, z_1: Tensor, times: Tensor, schedule: Schedule, noise: Noise) -> Tensor:
    """Sample ancestrally: each step draws from q(z_s | z_t, x̂0) with its exact variance (DDPM eq. 6 and 7)."""
    z, log_snr = z_1, schedule.log_snr(times)
    alphas, sigmas = schedule.alpha_sigma(times)
    for step in range(len(times) - 2):
        x0 = denoise(z, _batch_time(times, step, z)).x0
        kept = torch.exp(log_snr[step] - log_snr[step + 1])
        from_z = float(kept * alphas[step + 1] / alphas[step])
        from_x0 = float((1.0 - kept) * alphas[step + 1])
        spread = float(sigmas[step + 1] * (1.0 - kept).sqrt())
        z = from_z * z + from_x0 * x0 + spread * noise(step)
    return denoise(z, _batch_time(times, len(times) - 2, z)).x0


def ddim(denoise: Denoise, z_1: Tensor, times: Tensor, schedule: Schedule, noise: Noise) -> Tensor:
    """Sample deterministically (DDIM with η = 0); first order. ``noise`` is not called."""
    z = z_1
    alphas, sigmas = schedule.alpha_sigma(times)
    for step in range(len(times) - 2):
        estimate = denoise(z, _batch_time(times, step, z))
        z = float(alphas[step + 1]) * estimate.x0 + float(sigmas[step + 1]) * estimate.eps
    return denoise(z, _batch_time(times, len(times) - 2, z)).x0


def dpmpp_2m(denoise: Denoise, z_1: Tensor, times: Tensor, schedule: Schedule, noise: Noise) -> Tensor:
    """Sample with DPM-Solver++(2M) (Lu et al. 2022, alg. 2): second order. ``noise`` is not called."""
    z, previous = z_1, None
    log_snr = schedule.log_snr(times)
    alphas, sigmas = schedule.alpha_sigma(times)
    for step in range(len(times) - 2):
        x0 = denoise(z, _batch_time(times, step, z)).x0
        h = 0.5 * (log_snr[step + 1] - log_snr[step])
        extrapolated = x0
        if previous is not None:
            half_ratio = float(h / (log_snr[step] - log_snr[step - 1]))
            extrapolated = x0 + half_ratio * (x0 - previous)
        z = float(sigmas[step + 1] / sigmas[step]) * z - float(alphas[step + 1] * torch.expm1(-h)) * extrapolated
        previous = x0
    return denoise(z, _batch_time(times, len(times) - 2, z)).x0


TIME_GRIDS: dict[GridName, Callable[[int, Schedule], Tensor]] = {
    "time": lambda steps, _schedule: time_grid(steps),
    "log-snr": log_snr_grid,
}
"""Time grids by name."""

SAMPLERS: dict[str, Sampler] = {"ddpm": ddpm, "ddim": ddim, "dpmpp_2m": dpmpp_2m}
"""Samplers by name."""


def _batch_time(times: Tensor, step: int, z: Tensor) -> Tensor:
    """Return the time of a step for every sample (B,), in float32 or better."""
    dtype = torch.promote_types(z.dtype, torch.float32)
    return torch.full((len(z),), float(times[step]), dtype=dtype, device=z.device)

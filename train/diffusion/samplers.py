"""Samplers: plain functions with one signature, from noise z_1 to images.

``times`` decrease strictly to 0 from a time at which an image is practically noise (see ``TIME_GRIDS``). A sampler
calls ``denoise`` once per step, at every time but the last; the last step returns the estimated image itself, without
noise. ``noise(step)`` returns the standard normal tensor of a step, shaped as z_1; keyed per sample, it makes each
image independent of its batch. ``on_step(step, steps)`` is called before each step's evaluation, to show progress or,
by raising, to cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from train.diffusion.guidance import Denoise
from train.diffusion.schedule import Schedule, time_at

StepNoise = Callable[[int], Tensor]
"""(step) → standard normal tensor of z_1's shape."""
OnStep = Callable[[int, int], None]
"""(step from 0, steps): called before each network evaluation; an exception ends the sampling."""

GridName = Literal["time", "log-snr"]
"""Spacing of a sampler's times: uniform in t, or uniform in the log-SNR."""

GRID_LOG_SNR = 9.0
"""|λ| at both ends of the log-SNR grid, just inside the range of the linear schedule (+9.2, -10.1). Beyond it α or σ
is below 0.011: no image is visible, or no noise is left to remove."""


class Sampler(Protocol):
    """The signature of all samplers."""

    def __call__(
        self,
        denoise: Denoise,
        z_1: Tensor,
        times: Tensor,
        schedule: Schedule,
        noise: StepNoise,
        on_step: OnStep | None = None,
    ) -> Tensor:
        """Return images of z_1's shape (B, 3, H, W)."""


@dataclass(frozen=True)
class Step:
    """One step from time t to the next, smaller time s. All tensors but ``t`` are float64 scalars."""

    index: int
    is_last: bool
    """Whether s = 0; the estimated image is then the result."""
    t: Tensor
    """(B,), in float32 or float64."""
    log_snr: Tensor
    log_snr_s: Tensor
    alpha: Tensor
    alpha_s: Tensor
    sigma: Tensor
    sigma_s: Tensor


def sampling_steps(times: Tensor, z_1: Tensor, schedule: Schedule, on_step: OnStep | None = None) -> Iterator[Step]:
    """Yield the n steps between ``times`` (n + 1,) for a batch shaped as z_1; call ``on_step`` before each."""
    steps = len(times) - 1
    log_snr = schedule.log_snr(times)
    alphas, sigmas = schedule.alpha_sigma(times)
    dtype = torch.promote_types(z_1.dtype, torch.float32)
    for i in range(steps):
        if on_step is not None:
            on_step(i, steps)
        yield Step(
            i, i == steps - 1, torch.full((len(z_1),), float(times[i]), dtype=dtype, device=z_1.device),
            log_snr[i], log_snr[i + 1], alphas[i], alphas[i + 1], sigmas[i], sigmas[i + 1],
        )  # fmt: skip


def time_grid(steps: int) -> Tensor:
    """Return ``steps`` + 1 evenly spaced times from 1 to 0, in float64; raises ValueError if steps < 1."""
    if steps < 1:
        raise ValueError(f"steps={steps}: sampling needs at least 1 step")
    return torch.linspace(1.0, 0.0, steps + 1, dtype=torch.float64)


def log_snr_grid(steps: int, schedule: Schedule) -> Tensor:
    """Return ``steps`` times at which λ is evenly spaced from -9 to +9, followed by 0, in float64.

    On this grid the multistep sampler is of second order, and coarse and fine detail get equal shares of the steps
    (Lu et al. 2022, §5; docs/measurements/sampling.md). Raises ValueError if steps < 1.
    """
    if steps < 1:
        raise ValueError(f"steps={steps}: sampling needs at least 1 step")
    times = time_at(torch.linspace(-GRID_LOG_SNR, GRID_LOG_SNR, steps, dtype=torch.float64), schedule)
    return torch.cat([times, times.new_zeros(1)])


def ddpm(
    denoise: Denoise, z_1: Tensor, times: Tensor, schedule: Schedule, noise: StepNoise, on_step: OnStep | None = None
) -> Tensor:
    """Sample ancestrally: each step draws from q(z_s | z_t, x̂0) with its exact variance (DDPM eq. 6 and 7)."""
    z = x0 = z_1
    for step in sampling_steps(times, z_1, schedule, on_step):
        x0 = denoise(z, step.t).x0
        if step.is_last:
            break
        kept = torch.exp(step.log_snr - step.log_snr_s)
        from_z = float(kept * step.alpha_s / step.alpha)
        from_x0 = float((1.0 - kept) * step.alpha_s)
        spread = float(step.sigma_s * (1.0 - kept).sqrt())
        z = from_z * z + from_x0 * x0 + spread * noise(step.index)
    return x0


def ddim(
    denoise: Denoise, z_1: Tensor, times: Tensor, schedule: Schedule, noise: StepNoise, on_step: OnStep | None = None
) -> Tensor:
    """Sample deterministically (DDIM with η = 0); first order. ``noise`` is not called."""
    z = x0 = z_1
    for step in sampling_steps(times, z_1, schedule, on_step):
        x0, eps = denoise(z, step.t)
        if step.is_last:
            break
        z = float(step.alpha_s) * x0 + float(step.sigma_s) * eps
    return x0


def dpmpp_2m(
    denoise: Denoise, z_1: Tensor, times: Tensor, schedule: Schedule, noise: StepNoise, on_step: OnStep | None = None
) -> Tensor:
    """Sample with DPM-Solver++(2M) (Lu et al. 2022, alg. 2): second order. ``noise`` is not called."""
    z = x0 = z_1
    previous: tuple[Tensor, Tensor] | None = None
    for step in sampling_steps(times, z_1, schedule, on_step):
        x0 = denoise(z, step.t).x0
        if step.is_last:
            break
        h = 0.5 * (step.log_snr_s - step.log_snr)
        extrapolated = x0
        if previous is not None:
            x0_before, log_snr_before = previous
            half_ratio = float(h / (step.log_snr - log_snr_before))
            extrapolated = x0 + half_ratio * (x0 - x0_before)
        z = float(step.sigma_s / step.sigma) * z - float(step.alpha_s * torch.expm1(-h)) * extrapolated
        previous = x0, step.log_snr
    return x0


TIME_GRIDS: dict[GridName, Callable[[int, Schedule], Tensor]] = {
    "time": lambda steps, _schedule: time_grid(steps),
    "log-snr": log_snr_grid,
}
"""Time grids by name."""

SAMPLERS: dict[str, Sampler] = {"ddpm": ddpm, "ddim": ddim, "dpmpp_2m": dpmpp_2m}
"""Samplers by name."""

"""Noise schedules in continuous time: t = 0 is (almost) the picture, t = 1 (almost) noise.

A schedule is its log-SNR λ(t) = log(α² / σ²), strictly decreasing. α and σ follow from it as √sigmoid(±λ), so that
α² + σ² = 1 (variance preserving) and neither loses digits near its end. All is computed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, Protocol

import torch
from torch import Tensor

MAX_LOG_SNR = 20.0
"""|λ| at both ends of the cosine schedule; where α or σ is 4.5e-5, float32 still divides by it."""

ScheduleName = Literal["cosine", "linear"]


class Schedule(Protocol):
    """How much of a picture is left at time t."""

    def log_snr(self, t: Tensor) -> Tensor:
        """Return λ(t) in float64 for t (...) in [0, 1]."""

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return α(t) and σ(t) in t's own dtype, each of t's shape."""


class _LogSnrSchedule:
    """A schedule made of its log-SNR."""

    def log_snr(self, t: Tensor) -> Tensor:
        raise NotImplementedError

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return α(t) and σ(t) in t's own dtype, each of t's shape."""
        log_snr = self.log_snr(t)
        return torch.sigmoid(log_snr).sqrt().to(t.dtype), torch.sigmoid(-log_snr).sqrt().to(t.dtype)


def shifted(u: Tensor, shift: float) -> Tensor:
    """Map times u in [0, 1] to s·u / (1 + (s - 1)·u), likewise in [0, 1]: with s > 1 more of them are near 1.

    As in Esser et al. 2024, §5.3.2.
    """
    return shift * u / (1.0 + (shift - 1.0) * u)


class CosineSchedule(_LogSnrSchedule):
    """α(t) = cos(π t / 2), the schedule of the first two stages (Nichol and Dhariwal; Imagen App. F).

    The angle runs over slightly less than a right angle, from |λ| = 20 to |λ| = 20 (as in simple diffusion), which
    keeps λ finite and, unlike a clamp, strictly decreasing. α and σ move by less than 5e-5.
    """

    def log_snr(self, t: Tensor) -> Tensor:
        """Return λ(t) in float64 for t (...) in [0, 1]."""
        margin = math.atan(math.exp(-0.5 * MAX_LOG_SNR))
        angle = margin + (0.5 * math.pi - 2.0 * margin) * t.double()
        return -2.0 * torch.log(torch.tan(angle))


class LinearSchedule(_LogSnrSchedule):
    """DDPM's 1000 steps, β from 1e-4 to 0.02, made continuous: the schedule of the third stage (Imagen App. F.3).

    Step i of 1000 lies at t = (i - 1) / 999 with ᾱ_i = Π(1 - β); between steps λ is interpolated linearly. So λ
    runs from +9.2 (ᾱ = 0.9999) to -10.1 (ᾱ = 4e-5).
    """

    STEPS = 1000

    def __init__(self) -> None:
        beta = torch.linspace(1e-4, 0.02, self.STEPS, dtype=torch.float64, device="cpu")
        log_alpha_bar = torch.log1p(-beta).cumsum(0)
        table = log_alpha_bar - torch.log(-torch.expm1(log_alpha_bar))
        self._tables = {table.device: table}

    def log_snr(self, t: Tensor) -> Tensor:
        """Return λ(t) in float64 for t (...) in [0, 1]."""
        if t.device not in self._tables:  # copied once: a device waits for a copy from the host
            self._tables[t.device] = self._tables[torch.device("cpu")].to(t.device)
        table = self._tables[t.device]
        position = t.double() * (self.STEPS - 1)
        below = position.floor().clamp(0, self.STEPS - 2).long()
        return torch.lerp(table[below], table[below + 1], position - below)


_SCHEDULES: dict[ScheduleName, Callable[[], Schedule]] = {"cosine": CosineSchedule, "linear": LinearSchedule}


def make_schedule(name: ScheduleName) -> Schedule:
    """Return the schedule called ``name``; raises ValueError for a name that is none."""
    if name not in _SCHEDULES:
        raise ValueError(f"no noise schedule is called {name!r}: one of {', '.join(_SCHEDULES)}")
    return _SCHEDULES[name]()


def time_at(log_snr: Tensor, schedule: Schedule) -> Tensor:
    """Return the times t (...) in [0, 1], float64, at which λ(t) is ``log_snr`` (...); the nearer end outside of it."""
    early, late = torch.zeros_like(log_snr, dtype=torch.float64), torch.ones_like(log_snr, dtype=torch.float64)
    for _ in range(54):  # halvings of [0, 1] down to float64's last digit
        middle = 0.5 * (early + late)
        above = schedule.log_snr(middle) > log_snr
        early, late = torch.where(above, middle, early), torch.where(above, late, middle)
    return 0.5 * (early + late)


def per_sample(values: Tensor, like: Tensor) -> Tensor:
    """Shape one number per sample (B,) so that it multiplies ``like`` (B, ...)."""
    return values.reshape(-1, *[1] * (like.ndim - 1)).to(like.dtype)

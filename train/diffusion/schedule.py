"""Noise schedules in continuous time: t = 0 is (almost) the clean image, t = 1 (almost) pure noise.

A schedule is defined by its log-SNR λ(t) = log(α² / σ²), which decreases strictly. α and σ are √sigmoid(±λ), so that
α² + σ² = 1 (variance preserving) and neither loses precision near 0. Everything is computed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, Protocol

import torch
from torch import Tensor

MAX_LOG_SNR = 20.0
"""|λ| at both ends of the cosine schedule, where α or σ is 4.5e-5: float32 can still divide by that."""

ScheduleName = Literal["cosine", "linear"]


class Schedule(Protocol):
    """Signal and noise levels at time t."""

    def log_snr(self, t: Tensor) -> Tensor:
        """Return λ(t) in float64 for t (...) in [0, 1]."""

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return α(t) and σ(t), with the dtype and shape of t."""


class _LogSnrSchedule:
    """A schedule defined by its log-SNR."""

    def log_snr(self, t: Tensor) -> Tensor:
        raise NotImplementedError

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return α(t) and σ(t), with the dtype and shape of t."""
        log_snr = self.log_snr(t)
        return torch.sigmoid(log_snr).sqrt().to(t.dtype), torch.sigmoid(-log_snr).sqrt().to(t.dtype)


def shift_times(u: Tensor, shift: float) -> Tensor:
    """Map times u in [0, 1] to s·u / (1 + (s - 1)·u), also in [0, 1]: with s > 1 more of them are near 1.

    As in Esser et al. 2024, §5.3.2.
    """
    return shift * u / (1.0 + (shift - 1.0) * u)


class CosineSchedule(_LogSnrSchedule):
    """α(t) = cos(π t / 2), the schedule of the first two stages (Nichol and Dhariwal; Imagen App. F).

    The angle covers slightly less than π / 2, so that λ runs from +20 to -20 (as in simple diffusion): it stays finite
    and, unlike with a clamp, strictly decreasing. α and σ change by less than 5e-5.
    """

    def log_snr(self, t: Tensor) -> Tensor:
        """Return λ(t) in float64 for t (...) in [0, 1]."""
        margin = math.atan(math.exp(-0.5 * MAX_LOG_SNR))
        angle = margin + (0.5 * math.pi - 2.0 * margin) * t.double()
        return -2.0 * torch.log(torch.tan(angle))


class LinearSchedule(_LogSnrSchedule):
    """DDPM's 1000 steps, β from 1e-4 to 0.02, in continuous time: the schedule of the third stage (Imagen App. F.3).

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
        if t.device not in self._tables:  # copied once: a copy from the host makes the device wait
            self._tables[t.device] = self._tables[torch.device("cpu")].to(t.device)
        table = self._tables[t.device]
        position = t.double() * (self.STEPS - 1)
        below = position.floor().clamp(0, self.STEPS - 2).long()
        return torch.lerp(table[below], table[below + 1], position - below)


_SCHEDULES: dict[ScheduleName, Callable[[], Schedule]] = {"cosine": CosineSchedule, "linear": LinearSchedule}


def make_schedule(name: ScheduleName) -> Schedule:
    """Return the schedule named ``name``; raises ValueError for an unknown name."""
    if name not in _SCHEDULES:
        raise ValueError(f"no noise schedule named {name!r}: use one of {', '.join(_SCHEDULES)}")
    return _SCHEDULES[name]()


def time_at(log_snr: Tensor, schedule: Schedule) -> Tensor:
    """Return the times t (...) in [0, 1], float64, at which λ(t) is ``log_snr`` (...); clamped to [0, 1]."""
    early, late = torch.zeros_like(log_snr, dtype=torch.float64), torch.ones_like(log_snr, dtype=torch.float64)
    for _ in range(54):  # bisections of [0, 1], down to the precision of float64
        middle = 0.5 * (early + late)
        above = schedule.log_snr(middle) > log_snr
        early, late = torch.where(above, middle, early), torch.where(above, late, middle)
    return 0.5 * (early + late)


def expand_like(values: Tensor, like: Tensor) -> Tensor:
    """Reshape one number per sample (B,) to broadcast with ``like`` (B, ...), in its dtype."""
    return values.reshape(-1, *[1] * (like.ndim - 1)).to(like.dtype)

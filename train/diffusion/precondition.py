"""Preconditioning about the picture that is known already (after Karras et al. 2022, table 1).

A stage's picture x is mostly known: the second and third stage see it small, the first sees all of it in Ia but the
masked box. Call that known picture the centre μ (the enlarged low-resolution picture, or Ia; both are 0 where nothing
is known) and say x = μ + r with r of standard deviation s. With D = s²α² + σ² and z' = z_t - αμ the estimate is

    x̂ = μ + (s²α / D) z' - (sσ / √D) F(z' / √D, t, condition)

so that the network F sees unit variance, has to say something of unit variance, and copies the known picture without
having to learn how. For μ = 0 and s = 1 this is v-prediction. The papers do not do this; a small network that is
trained for minutes needs it (docs/training.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from train.condition import Condition, Denoiser
from train.diffusion.schedule import Schedule, per_sample


@dataclass(frozen=True)
class Preconditioned:
    """A denoiser that says v, made of a network F whose output is scaled and centred as above."""

    network: Denoiser
    schedule: Schedule
    std: float
    """s, the standard deviation of x about its centre, in pictures of [-1, 1]."""

    def __call__(self, z_t: Tensor, t: Tensor, condition: Condition, /) -> Tensor:
        """Predict v of z_t (B, 3, H, W) at t (B,): v = -σμ + ασ(1 - s²)/D z' + s/√D F, free of division by σ."""
        alpha, sigma = (per_sample(value, z_t) for value in self.schedule.alpha_sigma(t))
        spread = (self.std * alpha).square() + sigma.square()
        centre = centre_of(condition)
        residual = z_t - alpha * centre
        output = self.network(residual / spread.sqrt(), t, condition).float()
        kept = alpha * sigma * (1.0 - self.std**2) / spread
        return kept * residual - sigma * centre + self.std / spread.sqrt() * output

    def weight(self, t: Tensor) -> Tensor:
        """Return the weight (B,) that turns the squared error of v into that of F, D / s²."""
        alpha, sigma = self.schedule.alpha_sigma(t)
        return alpha.square() + (sigma / self.std).square()


def centre_of(condition: Condition) -> Tensor:
    """Return the picture that is known already (B, 3, H, W)."""
    centre = condition.low_res if condition.low_res is not None else condition.Ia
    assert centre is not None, "a condition has low_res or Ia"
    return torch.as_tensor(centre)

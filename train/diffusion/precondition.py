"""Preconditioning about the picture that is known already (after Karras et al. 2022, table 1).

A stage's picture x is mostly known: the second and third stage see it small, the first sees all of it in Ia but the
masked box. Call that known picture the centre μ (the enlarged low-resolution picture, or Ia; both are 0 where nothing
is known) and say x = μ + r with r of standard deviation s. With D = s²α² + σ² and z' = z_t - αμ the estimate is

    x̂ = μ + (s²α / D) z' - (sσ / √D) F(z' / √D, t, condition)

so that the network F sees unit variance, has to say something of unit variance, and copies the known picture without
having to learn how. For μ = 0 and s = 1 this is v-prediction. With prediction=x it is x̂ = μ + s F instead: what a
network that has not learnt much says is then blurred, where of v it leaves the noise in (docs/learning.md). The papers
do not do this; a small network that is trained for minutes needs it (docs/training.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from train.diffusion.diffusion_config import DiffusionConfig
from train.diffusion.schedule import Schedule, per_sample
from train.models.condition import Condition, Denoiser

_GREY = 1.5 / 127.5
"""Mid-grey and the 0 of a condition that is left out are no farther from 0, in any channel."""


@dataclass(frozen=True)
class Preconditioned:
    """A denoiser that says v, or x, made of a network F whose output is scaled and centred as above."""

    network: Denoiser
    schedule: Schedule
    std: float
    """s, the standard deviation of x about its centre, in pictures of [-1, 1]."""
    shown_std: float | None = None
    """The same where Ia shows the person, a pixel away from the grey of what is hidden; None for ``std`` everywhere."""
    prediction: Literal["v", "x"] = "v"
    """What it says."""

    def __call__(self, z_t: Tensor, t: Tensor, condition: Condition, /) -> Tensor:
        """Predict x, or v, of z_t (B, 3, H, W) at t (B,): v = -σμ + ασ(1 - s²)/D z' + s/√D F, free of division by σ."""
        alpha, sigma = (per_sample(value, z_t) for value in self.schedule.alpha_sigma(t))
        centre = centre_of(condition)
        std = self._std(condition, centre)
        spread = (std * alpha).square() + sigma.square()
        residual = z_t - alpha * centre
        output = self.network(residual / spread.sqrt(), t, condition).float()
        if self.prediction == "x":
            return centre + std * output
        kept = alpha * sigma * (1.0 - std.square()) / spread
        return kept * residual - sigma * centre + std / spread.sqrt() * output

    def _std(self, condition: Condition, centre: Tensor) -> Tensor:
        """Return s at each pixel (B, 1, H, W), or as a scalar."""
        std = torch.full((), self.std, device=centre.device)
        if self.shown_std is None:
            return std
        assert condition.Ia is not None, "what is shown is told by Ia"
        # Noise hides where the grey is, so s is then the larger one everywhere.
        clean = (condition.t_na[:, 0] == 0)[:, None, None, None]
        grey = (condition.Ia.abs() <= _GREY).all(dim=1, keepdim=True)
        # A pixel beside the grey is a mixture with it, and not what the person looks like there.
        shown = clean & (F.max_pool2d(grey.float(), 3, 1, 1) == 0)
        return torch.where(shown, torch.full_like(std, self.shown_std), std)

    def weight(self, t: Tensor) -> Tensor:
        """Return the weight (B,) that turns the squared error into that of F: D / s² of v, 1 / s² of x."""
        if self.prediction == "x":
            return torch.full_like(t, self.std**-2)
        alpha, sigma = self.schedule.alpha_sigma(t)
        return alpha.square() + (sigma / self.std).square()


def make_denoiser(network: Denoiser, diffusion: DiffusionConfig, schedule: Schedule) -> Denoiser:
    """Return what training and sampling call: the network, preconditioned where the configuration says so."""
    if diffusion.residual_std is None or diffusion.prediction == "eps":
        return network
    return Preconditioned(network, schedule, diffusion.residual_std, diffusion.shown_std, diffusion.prediction)


def centre_of(condition: Condition) -> Tensor:
    """Return the picture that is known already (B, 3, H, W)."""
    centre = condition.low_res if condition.low_res is not None else condition.Ia
    assert centre is not None, "a condition has low_res or Ia"
    return torch.as_tensor(centre)

"""Preconditioning on the known image (after Karras et al. 2022, table 1).

Most of a stage's target image x is known: the second and third stages get it at low resolution, the first gets all but
the masked region in Ia. Call this known image the centre μ (the upsampled low-resolution image, or Ia; both are 0
where nothing is known) and write x = μ + r with r of standard deviation s. With D = s²α² + σ² and z' = z_t - αμ the
estimate is

    x̂ = μ + (s²α / D) z' - (sσ / √D) F(z' / √D, t, condition)

so that input and target of the network F have unit variance, and the known image is copied without having to be
learnt. For μ = 0 and s = 1 this is v-prediction. With prediction=x the estimate is x̂ = μ + s F instead: the result of
an undertrained network is then blurred, whereas with v it stays noisy (docs/measurements/learning.md). The
papers do not do this; a small network trained for minutes needs it (docs/measurements/early-runs.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from train.diffusion.diffusion_config import DiffusionConfig
from train.diffusion.schedule import Schedule, expand_like
from train.models.condition import Condition, Denoiser, is_grey
from train.models.warp.copying import split_copied


class _Terms(NamedTuple):
    """The symbols above, for a batch."""

    alpha: Tensor
    sigma: Tensor
    centre: Tensor
    """μ"""
    shown: Tensor | None
    """Where Ia shows the person, if s differs there."""
    std: Tensor
    """s"""
    spread: Tensor
    """D"""
    residual: Tensor
    """z'"""


@dataclass(frozen=True)
class Preconditioned:
    """A denoiser that predicts v or x with a network F whose input and output are scaled and centred as above."""

    network: Denoiser
    schedule: Schedule
    std: float
    """s, the standard deviation of x around its centre, for images in [-1, 1]."""
    shown_std: float | None = None
    """s where Ia shows the person, at least a pixel away from the masked (grey) area; None: ``std`` everywhere."""
    prediction: Literal["v", "x"] = "v"
    """Prediction target."""

    def __call__(self, z_t: Tensor, t: Tensor, condition: Condition, /) -> Tensor:
        """Predict x or v from z_t (B, 3, H, W) at t (B,): v = -σμ + ασ(1 - s²)/D z' + s/√D F, with no division by σ.

        For a network that copies, the copied pixels replace the centre; what `warp_cost` takes comes after the image.
        """
        at = self._terms(z_t, t, condition)
        output = self.network(at.residual / at.spread.sqrt(), t, condition).float()
        copied = split_copied(output)
        if copied is not None:
            shown = _shown(condition) if at.shown is None else at.shown
            image, weight = (each.masked_fill(shown, 0.0) for each in (copied.image, copied.weight))
            known = (1.0 - weight) * at.centre + image
            return torch.cat([known + at.std * copied.painted, copied.warp], dim=1)
        if self.prediction == "x":
            return at.centre + at.std * output
        kept = at.alpha * at.sigma * (1.0 - at.std.square()) / at.spread
        return kept * at.residual - at.sigma * at.centre + at.std / at.spread.sqrt() * output

    def network_input(self, z_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Return z' / √D, the network's input instead of z_t."""
        at = self._terms(z_t, t, condition)
        return at.residual / at.spread.sqrt()

    def _terms(self, z_t: Tensor, t: Tensor, condition: Condition) -> _Terms:
        alpha, sigma = (expand_like(value, z_t) for value in self.schedule.alpha_sigma(t))
        centre = known_image(condition)
        shown = None if self.shown_std is None else _shown(condition)
        std = self._std(shown, centre.device)
        spread = (std * alpha).square() + sigma.square()
        return _Terms(alpha, sigma, centre, shown, std, spread, z_t - alpha * centre)

    def _std(self, shown: Tensor | None, device: torch.device) -> Tensor:
        """Return s at each pixel (B, 1, H, W), or as a scalar."""
        std = torch.full((), self.std, device=device)
        if shown is None or self.shown_std is None:
            return std
        return torch.where(shown, torch.full_like(std, self.shown_std), std)

    def weight(self, t: Tensor) -> Tensor:
        """Return the weight (B,) that turns the squared error into that of F: D / s² for v, 1 / s² for x."""
        if self.prediction == "x":
            return torch.full_like(t, self.std**-2)
        alpha, sigma = self.schedule.alpha_sigma(t)
        return alpha.square() + (sigma / self.std).square()


def make_denoiser(network: Denoiser, diffusion: DiffusionConfig, schedule: Schedule) -> Denoiser:
    """Return the denoiser for training and sampling: the network, preconditioned if configured."""
    if diffusion.residual_std is None or diffusion.prediction == "eps":
        return network
    return Preconditioned(network, schedule, diffusion.residual_std, diffusion.shown_std, diffusion.prediction)


def known_image(condition: Condition) -> Tensor:
    """Return the known image μ (B, 3, H, W): low_res, or Ia in the base stage."""
    centre = condition.low_res if condition.low_res is not None else condition.Ia
    assert centre is not None, "a condition has low_res or Ia"
    return torch.as_tensor(centre)


def _shown(condition: Condition) -> Tensor:
    """Return where Ia shows the person, (B, 1, H, W); nowhere with noise on Ia, which hides the grey."""
    assert condition.Ia is not None, "a try-on stage has Ia"
    clean = (condition.t_na[:, 0] == 0)[:, None, None, None]
    # A pixel next to the grey is blended with it, so it does not show the person either.
    return clean & (F.max_pool2d(is_grey(condition.Ia).float(), 3, 1, 1) == 0)

"""Forward process, prediction targets, and the loss (TryOnDiffusion §3.1, eq. 1)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from train.diffusion.schedule import Schedule, expand_like
from train.models.condition import Condition, Denoiser
from train.models.warp.copying import warp_cost

Prediction = Literal["eps", "v", "x"]
"""Prediction target: the noise ε (as in the paper), v = α ε - σ x (progressive distillation), or the image x."""


class DenoiserOutput(NamedTuple):
    """One estimate in two forms; given z_t, each determines the other: z_t = α x0 + σ eps."""

    x0: Tensor
    """(B, 3, H, W), the estimated clean image."""
    eps: Tensor
    """(B, 3, H, W), the estimated noise."""


def q_sample(x: Tensor, eps: Tensor, t: Tensor, schedule: Schedule) -> Tensor:
    """Return z_t = α(t) x + σ(t) ε for images x and noise ε (B, 3, H, W) at times t (B,) in [0, 1]."""
    alpha, sigma = schedule.alpha_sigma(t)
    return expand_like(alpha, x) * x + expand_like(sigma, x) * eps


def target(x: Tensor, eps: Tensor, t: Tensor, schedule: Schedule, prediction: Prediction) -> Tensor:
    """Return the prediction target for z_t = q_sample(x, eps, t)."""
    if prediction == "eps":
        return eps
    if prediction == "x":
        return x
    alpha, sigma = schedule.alpha_sigma(t)
    return expand_like(alpha, x) * eps - expand_like(sigma, x) * x


def interpret(output: Tensor, z_t: Tensor, t: Tensor, schedule: Schedule, prediction: Prediction) -> DenoiserOutput:
    """Convert a model's output for z_t (B, 3, H, W) at t (B,) into an estimate of image and noise."""
    alpha, sigma = (expand_like(value, z_t) for value in schedule.alpha_sigma(t))
    if prediction == "eps":
        return DenoiserOutput((z_t - sigma * output) / alpha, output)
    if prediction == "x":
        return with_x0(output, z_t, t, schedule)
    return DenoiserOutput(alpha * z_t - sigma * output, sigma * z_t + alpha * output)


def with_x0(x0: Tensor, z_t: Tensor, t: Tensor, schedule: Schedule) -> DenoiserOutput:
    """Return the estimate with image ``x0``, and the noise that z_t then implies (used after thresholding)."""
    alpha, sigma = (expand_like(value, z_t) for value in schedule.alpha_sigma(t))
    return DenoiserOutput(x0, (z_t - alpha * x0) / sigma)


def loss_weight(t: Tensor, schedule: Schedule, prediction: Prediction, min_snr_gamma: float | None) -> Tensor:
    """Return the weight (B,) of each sample's squared error at t (B,): min-SNR-γ (Hang et al. 2023), or 1 if γ is None.

    The min-SNR-γ weight in x0-space is min(SNR, γ); here it is divided by the weight implicit in the prediction target.
    """
    if min_snr_gamma is None:
        return torch.ones_like(t)
    snr = schedule.log_snr(t).exp()
    implicit = {"eps": snr, "v": snr + 1.0, "x": torch.ones_like(snr)}[prediction]
    return (snr.clamp(max=min_snr_gamma) / implicit).to(t.dtype)


def diffusion_loss(
    model: Denoiser,
    x: Tensor,
    eps: Tensor,
    t: Tensor,
    condition: Condition,
    schedule: Schedule,
    *,
    prediction: Prediction = "eps",
    min_snr_gamma: float | None = None,
    inside: Tensor | None = None,
    scale: Tensor | None = None,
    warp_loss: float = 0.0,
    edge_loss: float = 0.0,
) -> Tensor:
    """Return each sample's loss (B,): the (weighted) mean squared error over channels and pixels.

    x is (B, 3, H, W) in [-1, 1], eps standard normal noise of the same shape, t (B,) in [0, 1]. Only pixels in
    ``inside`` (B, 1, H, W) count, all if it is None; a sample without such pixels has loss 0. ``scale`` (B,) multiplies
    the squared error. Two losses can be added: ``warp_loss`` is the weight of the layers' `warp_cost`, for a model
    that copies the garment, ``edge_loss`` that of the `edge_error` of x̂, which has no bounds with prediction=eps.
    """
    z_t = q_sample(x, eps, t, schedule)
    output = model(z_t, t, condition)
    output, warp = output[:, : x.shape[1]].float(), output[:, x.shape[1] :]
    squared = (output - target(x, eps, t, schedule, prediction)).square()
    loss = _mean_inside(squared, inside) * loss_weight(t, schedule, prediction, min_snr_gamma)
    if scale is not None:
        loss = loss * scale
    if warp_loss:
        loss = loss + warp_loss * _mean_inside(warp_cost(warp, x), inside)
    if edge_loss:
        loss = loss + edge_loss * edge_error(interpret(output, z_t, t, schedule, prediction).x0 - x, inside)
    return loss


def edge_error(error: Tensor, inside: Tensor | None) -> Tensor:
    """Return each sample's mean (B,) of how much x̂ - x, (B, 3, H, W), differs between neighbouring pixels.

    The sum over three scales, each half as large as the one before. What is not ``inside`` (B, 1, H, W) is taken for
    right, since sampling shows the photograph there: so an edge along the border counts as well.
    """
    share = torch.ones_like(error[:, 0, 0, 0])
    if inside is not None:
        error, share = error.masked_fill(~inside, 0.0), _share(inside)
    total = torch.zeros_like(share)
    for scale in (1, 2, 4):
        if min(error.shape[2:]) < 2 * scale:  # a small image has fewer scales
            break
        smaller = F.avg_pool2d(error, scale)
        total = total + sum(smaller.diff(dim=along).abs().flatten(1).mean(1) for along in (2, 3))
    return total / share


def _mean_inside(values: Tensor, inside: Tensor | None) -> Tensor:
    """Return each sample's mean (B,) of values (B, C, H, W) over the pixels in ``inside`` (B, 1, H, W)."""
    if inside is None:
        return values.flatten(1).mean(1)
    return values.masked_fill(~inside, 0.0).flatten(1).mean(1) / _share(inside)


def _share(inside: Tensor) -> Tensor:
    """Return the share (B,) of pixels in ``inside``, at least one pixel's, by which a mean over all is divided."""
    return inside.flatten(1).float().mean(1).clamp(min=1.0 / inside[0].numel())

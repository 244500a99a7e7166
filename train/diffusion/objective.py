"""Forward process, prediction targets, and the loss (TryOnDiffusion §3.1, eq. 1)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from train.diffusion.schedule import Schedule, expand_like
from train.models.condition import Condition, Denoiser
from train.models.warp.copying import misfit

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
) -> Tensor:
    """Return each sample's loss (B,): the (weighted) mean squared error over channels and pixels.

    x is (B, 3, H, W) in [-1, 1], eps standard normal noise of the same shape, t (B,) in [0, 1]. Only pixels in
    ``inside`` (B, 1, H, W) count, all if it is None; a sample without such pixels has loss 0. ``scale`` (B,) multiplies
    the error; ``warp_loss`` is the weight of the warped layers' `misfit`, for a model that copies the garment.
    """
    output = model(q_sample(x, eps, t, schedule), t, condition)
    output, layers = output[:, : x.shape[1]], output[:, x.shape[1] :]
    squared = (output.float() - target(x, eps, t, schedule, prediction)).square()
    error = _mean_inside(squared, inside) * loss_weight(t, schedule, prediction, min_snr_gamma)
    if scale is not None:
        error = error * scale
    return error + warp_loss * _mean_inside(misfit(layers, x), inside) if warp_loss else error


def _mean_inside(values: Tensor, inside: Tensor | None) -> Tensor:
    """Return each sample's mean (B,) of values (B, C, H, W) over the pixels in ``inside`` (B, 1, H, W)."""
    if inside is None:
        return values.flatten(1).mean(1)
    share = inside.flatten(1).float().mean(1)
    return values.masked_fill(~inside, 0.0).flatten(1).mean(1) / share.clamp(min=1.0 / inside[0].numel())

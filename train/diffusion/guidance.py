"""Classifier-free guidance and thresholding: turn a model into the denoiser that a sampler calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from train.diffusion.conditioning import null_condition
from train.diffusion.objective import DenoiserOutput, Prediction, interpret, with_x0
from train.diffusion.schedule import Schedule
from train.models.condition import Condition, Denoiser

Threshold = Literal["none", "static", "dynamic"]
"""Thresholding of the estimated image x̂0: none, static (clipping to [-1, 1]), or Imagen's dynamic thresholding."""

DYNAMIC_PERCENTILE = 99.5
"""Percentile of |x̂0| that dynamic thresholding scales to 1 (Imagen §2.3)."""

ALL_TIMES = (0.0, 1.0)
"""The interval of all times."""

_ROUNDING = 1e-6
"""Tolerance of the interval's bounds, since times are rounded to float32."""

Denoise = Callable[[Tensor, Tensor], DenoiserOutput]
"""(z_t (B, 3, H, W), t (B,)) → estimate."""


def threshold_x0(x0: Tensor, threshold: Threshold) -> Tensor:
    """Bring estimated images (B, 3, H, W) back to [-1, 1] (Imagen §2.3).

    "static" clips. "dynamic" clips each sample to ±s and divides it by s, the 99.5th percentile of its absolute
    values, at least 1.
    """
    if threshold == "none":
        return x0
    if threshold == "static":
        return x0.clamp(-1.0, 1.0)
    limit = torch.quantile(x0.flatten(1).abs().float(), DYNAMIC_PERCENTILE / 100.0, dim=1).clamp(min=1.0)
    scale = limit.to(x0.dtype)[:, None, None, None]
    return x0.clamp(-scale, scale) / scale


def guided_condition(condition: Condition, weight: float) -> Condition:
    """Return the condition batch of ``guided_output``: the condition followed by the null one, or itself if w = 1."""
    if weight == 1.0:
        return condition
    null = null_condition(condition)
    t_na, *inputs = (
        None if a is None or b is None else torch.cat([a, b]) for a, b in zip(condition, null, strict=True)
    )
    assert t_na is not None
    return Condition(t_na, *inputs)


def guided_output(model: Denoiser, z_t: Tensor, t: Tensor, both: Condition, weight: float) -> Tensor:
    """Return w · f(z_t, c) + (1 - w) · f(z_t, ∅), both computed in one batch of twice the size (Imagen eq. 2).

    ``both`` comes from ``guided_condition``. At a given z_t, ε and v are affine functions of each other, so guiding
    either is equivalent. With w = 1 the null condition is not evaluated.
    """
    if weight == 1.0:
        return model(z_t, t, both)
    conditional, unconditional = model(torch.cat([z_t, z_t]), torch.cat([t, t]), both).chunk(2)
    return weight * conditional + (1.0 - weight) * unconditional


def guided_denoiser(
    model: Denoiser,
    condition: Condition,
    schedule: Schedule,
    *,
    weight: float = 2.0,
    interval: tuple[float, float] = ALL_TIMES,
    prediction: Prediction = "eps",
    threshold: Threshold = "static",
) -> Denoise:
    """Return the function that a sampler calls: model, guidance and thresholding for the condition of one batch.

    After thresholding the noise is recomputed, so that image and noise still add up to z_t. The model gets the same
    Condition object at every step (``GarmentReuse`` relies on that). Outside of the ``interval`` of times there is no
    guidance, and the model gets ``condition`` alone.
    """
    both = guided_condition(condition, weight)
    low, high = interval

    def denoise(z_t: Tensor, t: Tensor) -> DenoiserOutput:
        guided = interval == ALL_TIMES or low - _ROUNDING <= t[0].item() <= high + _ROUNDING
        output = guided_output(model, z_t, t, both if guided else condition, weight if guided else 1.0)
        output = output[:, : z_t.shape[1]].to(z_t.dtype)
        estimate = interpret(output, z_t, t, schedule, prediction)
        if threshold == "none":
            return estimate
        return with_x0(threshold_x0(estimate.x0, threshold), z_t, t, schedule)

    return denoise


def painting_only(denoise: Denoise, painted: Tensor, known: Tensor, schedule: Schedule) -> Denoise:
    """Wrap the function that a sampler calls: outside of ``painted`` (B, 1, H, W) its estimate is ``known``."""

    def wrapped(z_t: Tensor, t: Tensor) -> DenoiserOutput:
        estimate = denoise(z_t, t)
        fixed = with_x0(known.to(z_t.dtype).expand_as(z_t), z_t, t, schedule)
        pairs = zip(estimate, fixed, strict=True)
        return DenoiserOutput(*(torch.where(painted, new, old) for new, old in pairs))

    return wrapped

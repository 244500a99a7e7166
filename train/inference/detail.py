"""Detail of the garment, and of what Ia shows, in the image of a stage that sees neither.

The third stage gets only the second one's image (TryOnDiffusion §3.1), so it sharpens a print without knowing it. The
second stage, if it copies, predicts where in Ic each pixel of the garment comes from. It copies them from Ic at the
third stage's size; the difference from the same at its own size is the detail that its image lacks. This detail
replaces the third stage's guess where the garment is copied, and Ia's pixels replace it where Ia shows the person, as
in the first two stages. The papers do neither (effect: docs/measurements/learning.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from schemas.sample import CONDITIONING_SIZE
from train.diffusion.conditioning import TryOnInputs, with_hem_hidden
from train.diffusion.photo import grey_outside, paint_mask
from train.diffusion.precondition import Preconditioned, make_denoiser
from train.diffusion.randomness import SampleNoise
from train.diffusion.samplers import TIME_GRIDS
from train.diffusion.schedule import expand_like, make_schedule
from train.hardware.precision import autocast
from train.inference.cascade import Overrides, TrainedStage, sampling_condition, sampling_precision
from train.models.condition import Condition


class CopyingNetwork(Protocol):
    """A network that copies pixels of Ic."""

    def copied(self, z_t: Tensor, t: Tensor, condition: Condition, Ic: Tensor) -> tuple[Tensor, Tensor]:
        """Return what it copies from an Ic of another size, and the weight of that."""


def copying(model: nn.Module) -> CopyingNetwork | None:
    """Return the network if it copies, else None."""
    return cast("CopyingNetwork", model) if getattr(model, "copy", None) is not None else None


def copies_detail(stage: TrainedStage, last: TrainedStage) -> bool:
    """Return whether the ``last`` stage's images get detail from the ``stage`` before it."""
    return copying(stage.model) is not None and last.config.sampling.copy_detail and not last.config.is_try_on


@torch.no_grad()
def with_detail(
    image: Tensor,
    stage: TrainedStage,
    own: TryOnInputs,
    painted: Tensor,
    fine: TryOnInputs,
    seed: int,
    keys: Sequence[int],
    overrides: Overrides,
) -> Tensor:
    """Return the last stage's images (B, 3, H, W) in [-1, 1] with the detail that ``stage``, the one before it, copies.

    ``own`` are that stage's inputs with low_res, and ``painted`` (B, 3, h, w) its images; ``fine`` are Ia, Ic and the
    poses at the size of ``image``. ``keys`` key the noise, as in `sample_stage`. Pixels that Ia shows are taken from
    it, unless the shards hold Ia at a smaller size than the image's.
    """
    if stage.config.diffusion.hide_hem:
        own, fine = with_hem_hidden(own), with_hem_hidden(fine)
    assert fine.Ia is not None, "`fine` has Ia and Ic"
    assert fine.Ic is not None, "`fine` has Ia and Ic"
    copied, weight = _copied(stage, own, painted, fine.Ic, seed, keys, overrides)
    size = (image.shape[2], image.shape[3])
    hidden = paint_mask(fine.Ia, fine.photo, size)
    assert hidden is not None, "Ia is given"
    weight = weight * hidden
    plain = _resized(painted, size) + copied - _resized(_resized(copied, (painted.shape[2], painted.shape[3])), size)
    result = ((1.0 - weight) * image + weight * plain).clamp(-1.0, 1.0)
    if stage.config.diffusion.keep_shown and size[0] <= CONDITIONING_SIZE:
        result = torch.where(hidden, result, grey_outside(fine.Ia, fine.photo))
    return result


def _copied(
    stage: TrainedStage,
    inputs: TryOnInputs,
    painted: Tensor,
    Ic: Tensor,
    seed: int,
    keys: Sequence[int],
    overrides: Overrides,
) -> tuple[Tensor, Tensor]:
    """Return what the stage copies in its last sampling step, from an Ic of a larger size, and the weight of that."""
    config = stage.config
    sampling, schedule = overrides.applied_to(config.sampling), make_schedule(config.diffusion.schedule)
    noise = SampleNoise(seed, config.stage, keys)
    condition = sampling_condition(inputs, config.size, sampling.low_res_noise, noise)
    t = TIME_GRIDS[sampling.grid](sampling.steps, schedule)[-2].to(painted.device).expand(len(painted))
    alpha, sigma = (expand_like(value, painted) for value in schedule.alpha_sigma(t))
    z_t = alpha * painted + sigma * noise.normal((3, config.size, config.size), "z_1").to(painted.device)
    scaled = make_denoiser(stage.model, config.diffusion, schedule)
    assert isinstance(scaled, Preconditioned), "a network that copies has residual_std"
    network = copying(stage.model)
    assert network is not None, "see `copies_detail`"
    with autocast(sampling_precision(config.precision, painted.device), painted.device):
        copied, weight = network.copied(scaled.network_input(z_t, t, condition), t, condition, Ic)
    return copied.float(), weight.float()


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(image, size=size, mode="bicubic", antialias=size[0] < image.shape[2], align_corners=False)

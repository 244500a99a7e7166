"""The trained previous stage: its images are the low-resolution input that a super-resolution stage will get.

Trained on downsampled photographs alone, a super-resolution stage learns to sharpen them, and at sampling time sharpens
the mistakes of the stage before it. From that stage's own images it learns to correct them
(docs/measurements/learning.md). The papers rely on noise conditioning augmentation alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from common.errors import UserError
from train.configuration.stage_config import StageConfig
from train.diffusion.conditioning import TryOnInputs, downsample
from train.diffusion.degrade import degrade
from train.diffusion.photo import GREY, paint_mask
from train.diffusion.randomness import SampleNoise
from train.inference.cascade import Overrides, TrainedStage, sample_stage
from train.models.growth import can_grow, grown
from train.models.model_config import ParallelUNetConfig

_MAX_STEPS = 2
"""Maximum number of sampling steps: an image is needed for every training sample."""


def sampled_in(config: StageConfig) -> int:
    """Return the number of steps in which this stage's images are sampled for the training of the next."""
    return min(_MAX_STEPS, config.sampling.steps)


def grown_weights(previous: TrainedStage, config: StageConfig) -> dict[str, Tensor]:
    """Return the weights of the previous stage, grown to the network of ``config``.

    Raise UserError if the networks' configurations do not allow it.
    """
    before, after = previous.config.model, config.model
    if not (
        isinstance(before, ParallelUNetConfig) and isinstance(after, ParallelUNetConfig) and can_grow(before, after)
    ):
        raise UserError(
            f"{config.stage}: grow=true, but its model differs from that of {previous.config.stage} in more than "
            "image_size, patch (both larger by one factor) and low_res_channels; use a preset's models, or "
            "--set grow=false"
        )
    return grown(previous.model.state_dict(), before, after)


@dataclass(frozen=True)
class PreviousStage:
    """Samples the previous stage's images of the people in a batch, in their own garments."""

    stage: TrainedStage
    share: float
    """Share of the samples whose low-resolution input is sampled; the others keep the downsampled photograph."""
    seed: int
    error: float = 0.0
    """How much its images are degraded where Ia hides the person, in pixels (`degrade`)."""

    def replace_some(self, low_res: Tensor, inputs: TryOnInputs, positions: Sequence[int]) -> Tensor:
        """Return low_res (B, 3, h, w) with a share of its samples, drawn by their positions, sampled from ``inputs``.

        ``inputs`` have the size of the stage that is trained.
        """
        # Drawn on the host, so that a GPU does not have to wait for the number of samples.
        drawn = SampleNoise(self.seed, self.stage.config.stage, positions).bernoulli(self.share, "low_res")
        rows = drawn.nonzero().flatten().tolist()
        if not rows:
            return low_res
        overrides = Overrides(steps=sampled_in(self.stage.config))
        few = [positions[row] for row in rows]
        reduced = _reduced(inputs, rows, low_res.shape[-1])
        images = sample_stage(self.stage, reduced, self.seed, few, overrides)
        if self.error:
            hidden = paint_mask(reduced.Ia, reduced.photo, (images.shape[2], images.shape[3]))
            assert hidden is not None, "with Ia there is a mask"
            images = degrade(images, hidden, self.error, SampleNoise(self.seed, self.stage.config.stage, few))
        result = low_res.clone()
        result[rows] = images
        return result


def _reduced(inputs: TryOnInputs, rows: list[int], size: int) -> TryOnInputs:
    """Return these rows of a batch's inputs at the side ``size`` of the previous stage."""
    Ia, Ic, Jp, Jg, photo = (
        None if value is None else value[rows] for value in (inputs.Ia, inputs.Ic, inputs.Jp, inputs.Jg, inputs.photo)
    )
    assert Ia is not None, "a try-on stage has Ia"
    assert Ic is not None, "a try-on stage has Ic"
    factor = Ia.shape[-1] // size
    hidden = paint_mask(Ia, None, (Ia.shape[2], Ia.shape[3]))
    assert hidden is not None, "with Ia there is a mask"
    # As `agnostic_to_size`: a pixel that contains a hidden one is hidden.
    hidden = F.max_pool2d(hidden.float(), factor) > 0
    small = torch.where(hidden, torch.full((), GREY, device=Ia.device), downsample(Ia, factor))
    return TryOnInputs(small, downsample(Ic, factor), Jp, Jg, photo=photo)

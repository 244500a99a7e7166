"""From a person and a garment to an image: used for shards, evaluation and exported cascades alike."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from train.data.augment import WHOLE, Box
from train.data.batches import agnostic_to_size, to_size, to_tensor
from train.data.shards import Pixels
from train.diffusion.conditioning import TryOnInputs, from_uint8, to_uint8
from train.diffusion.photo import grey_outside
from train.diffusion.samplers import OnStep
from train.inference.cascade import Overrides, TrainedStage, cascade_steps, sample_cascade, shifted_steps
from train.inference.detail import copies_detail, with_detail

_BATCH, _PIXELS = 8, 1 << 20
"""Maximum images and pixels per batch on a GPU: one image of 1024² (docs/measurements/sampling.md)."""


@dataclass(frozen=True)
class Outfit:
    """c_tryon of one sample, as stored in the shards (TryOnDiffusion §3)."""

    Ia: Pixels
    """(H, H, 3) in [0, 255]: the clothing-agnostic person."""
    Ic: Pixels
    """(H, H, 3) in [0, 255]: the segmented garment."""
    Jp: NDArray[np.float32]
    """(17, 3) in [0, 1]: the person's pose as x, y, visibility."""
    Jg: NDArray[np.float32]
    """(17, 3) in [0, 1]: the pose that belongs to the garment."""
    photo: Box = WHOLE
    """The person's photograph: left, top, right, bottom in [0, 1] of Ia; beyond it the result is mid-grey."""

    @property
    def noise_key(self) -> int:
        """The key of the sample's noise, besides the seed: a digest of Ia and Jp.

        So a person gets the same noise from any folder of shards or none, and in every garment.
        """
        digest = hashlib.blake2b(digest_size=7)
        digest.update(self.Ia.tobytes())
        digest.update(self.Jp.tobytes())
        return int.from_bytes(digest.digest(), "little")


def dress(
    stages: Sequence[TrainedStage],
    outfits: Sequence[Outfit],
    *,
    seed: int,
    overrides: Overrides,
    device: torch.device,
    on_step: OnStep | None = None,
    batch: int | None = None,
) -> list[list[Pixels]]:
    """Return one image per stage for each outfit, uint8 (size, size, 3).

    On the CPU images are sampled one at a time: a batched convolution sums in another order than a single one, which
    changes a few bytes (docs/measurements/sampling.md). So an image is bit-identical whatever else is sampled. On a
    GPU, where small batches leave the card idle, images are batched and are identical up to that rounding. ``batch``
    overrides the number of images that are sampled at once. ``on_step`` is called before every sampling step; an
    exception from it ends the sampling.
    """
    batch = batch or batch_size_for(stages, device)
    steps = cascade_steps(stages, overrides)
    total = steps * math.ceil(len(outfits) / batch)
    pictures: list[list[Pixels]] = []
    for start in range(0, len(outfits), batch):
        some = outfits[start : start + batch]
        inputs = [inputs_of(stage, some, device) for stage in stages]
        counted = shifted_steps(on_step, steps * (start // batch), total)
        keys = [outfit.noise_key for outfit in some]
        results = sample_cascade(stages, inputs, seed, keys, overrides, counted)
        if len(stages) > 1 and copies_detail(stages[-2], stages[-1]):
            own = replace(inputs[-2], low_res=results[-3] if len(results) > 2 else None)
            fine = try_on_inputs(some, stages[-1].config.size, device)
            results[-1] = with_detail(results[-1], stages[-2], own, results[-2], fine, seed, keys, overrides)
        by_stage = [to_uint8(result).permute(0, 2, 3, 1).contiguous().cpu().numpy() for result in results]
        pictures += [list(row) for row in zip(*by_stage, strict=True)]
    return pictures


def batch_size_for(stages: Sequence[TrainedStage], device: torch.device) -> int:
    """Return the batch size: one on the CPU, on a GPU what fits 16 GB at the paper's size."""
    return 1 if device.type == "cpu" else largest_batch(stages)


def largest_batch(stages: Sequence[TrainedStage]) -> int:
    """Return how many images may be sampled at once within 16 GB at the paper's size."""
    largest = max(stage.config.size for stage in stages)
    return max(1, min(_BATCH, _PIXELS // largest**2))


def inputs_of(stage: TrainedStage, outfits: Sequence[Outfit], device: torch.device) -> TryOnInputs:
    """Return (Ia, Ic, Jp, Jg) of the outfits at the stage's size, for the third stage only the photographs' boxes."""
    if not stage.config.is_try_on:
        return TryOnInputs(photo=torch.tensor([outfit.photo for outfit in outfits], device=device))
    return try_on_inputs(outfits, stage.config.size, device)


def try_on_inputs(outfits: Sequence[Outfit], size: int, device: torch.device) -> TryOnInputs:
    """Return (Ia, Ic, Jp, Jg) of the outfits at ``size``, and the photographs' boxes."""
    photo = torch.tensor([outfit.photo for outfit in outfits], device=device)

    def images(scaled: list[Pixels]) -> Tensor:
        return from_uint8(to_tensor(scaled)).to(device)

    def poses(given: list[NDArray[np.float32]]) -> Tensor:
        return torch.from_numpy(np.stack(given)).to(device)

    return TryOnInputs(
        Ia=grey_outside(images([agnostic_to_size(outfit.Ia, size) for outfit in outfits]), photo),
        Ic=images([to_size(outfit.Ic, size) for outfit in outfits]),
        Jp=poses([outfit.Jp for outfit in outfits]),
        Jg=poses([outfit.Jg for outfit in outfits]),
        photo=photo,
    )

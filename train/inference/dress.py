"""The one way from a person and a garment to a picture: for shards, for evaluation, for an exported cascade."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from train.data.batches import to_size, to_tensor
from train.data.shards import Pixels
from train.diffusion.conditioning import TryOnInputs, from_uint8, to_uint8
from train.diffusion.samplers import OnStep
from train.inference.cascade import Overrides, TrainedStage, cascade_steps, sample_cascade, shifted_steps

_BATCH, _PIXELS = 8, 1 << 20
"""Most pictures at a time on a GPU, and most pixels that they have together: one of 1024² (docs/sampling.md)."""


@dataclass(frozen=True)
class Outfit:
    """c_tryon of one picture, as it lies in the shards (TryOnDiffusion §3)."""

    Ia: Pixels
    """(H, H, 3) in [0, 255]: the clothing-agnostic person."""
    Ic: Pixels
    """(H, H, 3) in [0, 255]: the segmented garment."""
    Jp: NDArray[np.float32]
    """(17, 3) in [0, 1]: the person's pose as x, y, visibility."""
    Jg: NDArray[np.float32]
    """(17, 3) in [0, 1]: the pose that belongs to the garment."""

    @property
    def noise_key(self) -> int:
        """What the picture's noise is keyed by, besides the seed: Ia and Jp themselves.

        So a person's picture is the same from any folder of shards and from none, and two garments on one person
        differ by nothing but the garment.
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
) -> list[list[Pixels]]:
    """Return for each outfit one picture per stage, uint8 (size, size, 3).

    On the CPU pictures are sampled one by one: a convolution over a batch adds up in another order than over one
    picture, which changes a byte here and there (docs/sampling.md). So a picture has the same bits whatever is
    sampled beside it. On a GPU, where small batches leave the card idle, it has them up to that rounding.
    ``on_step`` is called before every evaluation of a network; what it raises ends the sampling.
    """
    batch = at_a_time(stages, device)
    steps = cascade_steps(stages, overrides)
    total = steps * math.ceil(len(outfits) / batch)
    pictures: list[list[Pixels]] = []
    for start in range(0, len(outfits), batch):
        some = outfits[start : start + batch]
        inputs = [inputs_of(stage, some, device) for stage in stages]
        counted = shifted_steps(on_step, steps * (start // batch), total)
        results = sample_cascade(stages, inputs, seed, [outfit.noise_key for outfit in some], overrides, counted)
        by_stage = [to_uint8(result).permute(0, 2, 3, 1).contiguous().cpu().numpy() for result in results]
        pictures += [list(row) for row in zip(*by_stage, strict=True)]
    return pictures


def at_a_time(stages: Sequence[TrainedStage], device: torch.device) -> int:
    """Return how many pictures are sampled together: one on the CPU, on a GPU what 16 GB hold at the paper's size."""
    if device.type == "cpu":
        return 1
    largest = max(stage.config.size for stage in stages)
    return max(1, min(_BATCH, _PIXELS // largest**2))


def inputs_of(stage: TrainedStage, outfits: Sequence[Outfit], device: torch.device) -> TryOnInputs:
    """Return (Ia, Ic, Jp, Jg) of the outfits at the stage's size, or nothing for the third stage, which reads none."""
    if not stage.config.is_try_on:
        return TryOnInputs()

    def pictures(given: list[Pixels]) -> Tensor:
        return from_uint8(to_tensor([to_size(picture, stage.config.size) for picture in given])).to(device)

    def poses(given: list[NDArray[np.float32]]) -> Tensor:
        return torch.from_numpy(np.stack(given)).to(device)

    return TryOnInputs(
        Ia=pictures([outfit.Ia for outfit in outfits]),
        Ic=pictures([outfit.Ic for outfit in outfits]),
        Jp=poses([outfit.Jp for outfit in outfits]),
        Jg=poses([outfit.Jg for outfit in outfits]),
    )

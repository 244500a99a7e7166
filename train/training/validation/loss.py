"""The loss on fixed samples of the split val, with fixed noise at fixed times.

Everything random is keyed by a sample's number, so two validations differ in nothing but the weights: neither the
run's seed nor its batch size plays a part.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from schemas import AGNOSTIC, GARMENT, JG, JP, PERSON, PERSON_256
from train.configuration.stage_config import StageConfig
from train.data import Batch, ShardFolder
from train.data.batches import to_size, to_tensor
from train.diffusion.randomness import SampleNoise
from train.training.state import Training
from train.training.step import Stepper, micro_batches, sample_losses
from train.training.validation.averaged import averaged

RANGES = 10
"""Equal ranges of t in [0, 1] whose losses are told apart."""
_TOGETHER = 4
"""Samples of one evaluation, whatever the batch is: other numbers would round otherwise."""


@dataclass(frozen=True)
class Validation:
    """What a validation found."""

    loss: float
    """Mean over the samples."""
    by_time: list[float | None]
    """Mean over those of each range of t, the earliest (least noise) first; None where there is no sample."""


def fixed_samples(held_out: ShardFolder, config: StageConfig) -> Batch:
    """Return ``validation.samples`` samples, evenly spread over the split; where it is smaller, some come again.

    A stage that is trained on crops gets one crop of each. Raise UserError where one is damaged.
    """
    count, size = config.validation.samples, config.size
    places = [number * len(held_out) // count for number in range(count)]
    noise = _noise(config, range(count))

    def pictures(member: str) -> Tensor:
        return to_tensor([to_size(held_out.picture(place, member), size) for place in places])

    def poses(member: str) -> Tensor:
        return torch.from_numpy(np.stack([held_out.pose(place, member) for place in places]))

    if config.is_try_on:
        x = pictures(PERSON_256)
        return Batch(tuple(range(count)), x, pictures(AGNOSTIC), pictures(GARMENT), poses(JP), poses(JG))
    side = config.crop or size
    corners = (noise.uniform((2,), "crop") * (size - side + 1)).long().tolist()
    crops = [
        to_size(held_out.picture(place, PERSON), size)[top : top + side, left : left + side]
        for place, (top, left) in zip(places, corners, strict=True)
    ]
    return Batch(tuple(range(count)), to_tensor(crops), None, None, None, None)


def fixed_times(config: StageConfig, numbers: tuple[int, ...]) -> Tensor:
    """Return the times (B,) in [0, 1): the samples take the ranges in turn, each at a place of its own."""
    inside = _noise(config, numbers).uniform((), "t")
    return (torch.tensor([number % RANGES for number in numbers]) + inside) / RANGES


def validate(training: Training, samples: Batch, stepper: Stepper, stop: Callable[[], bool]) -> Validation:
    """Return the losses of the averaged weights. Raise Stopped once ``stop`` says so.

    Several processes take the evaluations in turn. All make as many, since shares of the weights are whole only while
    all compute: the last ones may be made twice, and count once.
    """
    config, world = stepper.config, stepper.world
    parts = list(micro_batches(samples, _TOGETHER))
    each = torch.zeros(len(samples.positions), dtype=torch.float64)
    with averaged(training, stop) as model:
        for number in range(world.rank, math.ceil(len(parts) / world.size) * world.size, world.size):
            part = parts[number % len(parts)]
            noise, t = _noise(config, part.positions), fixed_times(config, part.positions)
            losses = sample_losses(model, part, stepper, noise, t)
            if number < len(parts):
                each[list(part.positions)] = losses.double().cpu()
    each = world.total(each)
    ranges = [each[start::RANGES] for start in range(RANGES)]
    return Validation(each.mean().item(), [found.mean().item() if len(found) else None for found in ranges])


def _noise(config: StageConfig, numbers: range | tuple[int, ...]) -> SampleNoise:
    return SampleNoise(0, f"{config.stage} validation", numbers)

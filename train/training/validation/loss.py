"""The loss on fixed samples of the split val, with fixed noise at fixed times.

Everything random is keyed by a sample's number, so two validations differ only in the weights: they depend on neither
the run's seed nor its batch size.
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
from train.data.augment import Draws, augmented_boxes
from train.data.batches import agnostic_to_size, to_size, to_tensor
from train.diffusion.randomness import SampleNoise
from train.runs.metrics_file import TIME_RANGES
from train.training.state import Training
from train.training.step import Stepper, micro_batches, sample_losses
from train.training.validation.ema_weights import ema_weights, raise_if

_TOGETHER = 4
"""Samples per forward pass, whatever the batch size: another number would round differently."""


@dataclass(frozen=True)
class Validation:
    """The losses of one validation."""

    loss: float
    """Mean over the samples."""
    by_time: list[float | None]
    """Mean over those of each range of t, least noise first; None for a range without samples."""


def fixed_samples(held_out: ShardFolder, config: StageConfig) -> Batch:
    """Return ``validation.samples`` samples, evenly spread over the split; a smaller split repeats some.

    Inference-only samples are skipped. A stage that is trained on crops gets one crop of each sample. Raise
    UserError if one is damaged, or if all are for inference.
    """
    count, size = config.validation.samples, config.size
    places = [held_out.worn_from(number * len(held_out) // count) for number in range(count)]
    noise = _noise(config, range(count))

    def images(member: str) -> Tensor:
        return to_tensor([to_size(held_out.image(place, member), size) for place in places])

    def poses(member: str) -> Tensor:
        return torch.from_numpy(np.stack([held_out.pose(place, member) for place in places]))

    boxes = np.array([held_out.sample(place).person.photo_box for place in places], np.float32)
    if config.is_try_on:
        x = images(PERSON_256)
        Ia = to_tensor([agnostic_to_size(held_out.image(place, AGNOSTIC), size) for place in places])
        return Batch(tuple(range(count)), x, Ia, images(GARMENT), poses(JP), poses(JG), torch.from_numpy(boxes))
    side = config.crop or size
    corners = (noise.uniform((2,), "crop") * (size - side + 1)).long().tolist()
    crops = [
        to_size(held_out.image(place, PERSON), size)[top : top + side, left : left + side]
        for place, (top, left) in zip(places, corners, strict=True)
    ]
    draws = Draws(flip=np.zeros(count, np.bool_), corner=np.array(corners, np.int64))
    photo = torch.from_numpy(augmented_boxes(boxes, draws, size, side))
    return Batch(tuple(range(count)), to_tensor(crops), None, None, None, None, photo)


def fixed_times(config: StageConfig, numbers: tuple[int, ...]) -> Tensor:
    """Return the times (B,) in [0, 1): sample n lies in range n modulo TIME_RANGES, at a random position within it."""
    inside = _noise(config, numbers).uniform((), "t")
    return (torch.tensor([number % TIME_RANGES for number in numbers]) + inside) / TIME_RANGES


def validate(training: Training, samples: Batch, stepper: Stepper, stop: Callable[[], bool]) -> Validation:
    """Return the losses of the EMA weights. Raise Stopped once ``stop`` returns True.

    Processes share the forward passes. Each makes the same number, since FSDP gathers weights only while all compute;
    the last ones may be repeated, but count once.
    """
    config, world = stepper.config, stepper.world
    parts = list(micro_batches(samples, _TOGETHER))
    each = torch.zeros(len(samples.positions), dtype=torch.float64)
    with ema_weights(training) as model:
        for number in range(world.rank, math.ceil(len(parts) / world.size) * world.size, world.size):
            raise_if(stop)
            part = parts[number % len(parts)]
            noise, t = _noise(config, part.positions), fixed_times(config, part.positions)
            losses = sample_losses(model, part, stepper, noise, t)
            if number < len(parts):
                each[list(part.positions)] = losses.double().cpu()
    each = world.total(each)
    ranges = [each[start::TIME_RANGES] for start in range(TIME_RANGES)]
    return Validation(each.mean().item(), [losses.mean().item() if len(losses) else None for losses in ranges])


def _noise(config: StageConfig, numbers: range | tuple[int, ...]) -> SampleNoise:
    return SampleNoise(0, f"{config.stage} validation", numbers)

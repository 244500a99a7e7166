"""Estimate a run's memory from a trace and its speed from a few real steps; nothing is written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from common.errors import UserError
from train.configuration.stage_config import StageConfig
from train.data import BatchLoader, ShardFolder
from train.data.batch import prefetch_to_device
from train.diffusion.schedule import make_schedule
from train.memory.trace import trace
from train.training.step import Stepper, init_training, train_step
from train.training.step_memory import out_of_memory

_STEPS = 3
"""Timed steps, after a warm-up step that allocates memory and starts the data threads."""


@dataclass(frozen=True)
class Rehearsal:
    """A stage's size, and how fast it trains here."""

    config: StageConfig
    parameters: int
    memory_bytes: int
    """Peak of a step's tensors by `train.memory.trace`: on the GPU, or without one on device and host together."""
    images_per_second: float

    @property
    def seconds(self) -> float:
        """Time of the whole run's steps, without validation, sheets and checkpoints."""
        return self.config.steps * self.config.data.batch / self.images_per_second


def rehearse(config: StageConfig, shards: ShardFolder, device: torch.device) -> Rehearsal:
    """Run a few steps of a fresh run and discard them; nothing is written."""
    footprint = trace(config, device.type == "cuda")
    training = init_training(config, device)
    stepper = Stepper(config, make_schedule(config.diffusion.schedule), device)
    on_card = device.type == "cuda"
    batches = prefetch_to_device(BatchLoader(shards, config, on_card=on_card, pin=on_card).batches(0), device)
    try:
        train_step(training, next(batches), stepper).item()
        started = time.monotonic()
        for _ in range(_STEPS):
            loss = train_step(training, next(batches), stepper)
        loss.item()  # once: a card computes a step while the next one is launched
        seconds = time.monotonic() - started
    except torch.OutOfMemoryError as error:
        raise UserError(out_of_memory(config)) from error
    finally:
        batches.close()
    return Rehearsal(
        config=config,
        parameters=sum(parameter.numel() for parameter in training.model.parameters()),
        memory_bytes=footprint.peak if device.type == "cuda" else footprint.total_peak,
        images_per_second=_STEPS * config.data.batch / seconds,
    )


def as_table(rehearsals: Sequence[Rehearsal]) -> str:
    """Return a table with one line per stage."""
    lines = [f"{'stage':8}{'parameters':>12}{'memory':>12}{'images/s':>10}{'steps':>9}{'batch':>7}{'time':>14}"]
    lines += [
        f"{each.config.stage:8}{each.parameters / 1e6:>10.1f} M{each.memory_bytes / 2**30:>8.2f} GiB"
        f"{each.images_per_second:>10.1f}{each.config.steps:>9}{each.config.data.batch:>7}{duration(each.seconds):>14}"
        for each in rehearsals
    ]
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """Format seconds in at most two units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s"

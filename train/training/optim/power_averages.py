"""Tracking power-function averages of the weights while a stage is trained (`train.runs.power_profiles`)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from train.configuration.stage_config import AveragesConfig
from train.hardware.world import World
from train.runs.average_folder import AverageFolder
from train.training.parallel import copied_to_host
from train.training.saving.background_writer import BackgroundWriter
from train.training.state import Training


def named(averages: Mapping[float, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return all tensors by length and name, as a checkpoint stores them."""
    return {f"{length:.3f}/{name}": value for length, average in averages.items() for name, value in average.items()}


def save_if_due(
    folder: AverageFolder,
    training: Training,
    config: AveragesConfig,
    world: World,
    writer: BackgroundWriter,
    *,
    last: bool,
) -> None:
    """Write snapshots of the averages after every ``config.every`` steps, and after the last one."""
    if not training.averages or not (last or training.step % config.every == 0):
        return
    writer.wait_for_earlier(training.step)
    averages: dict[float, dict[str, Tensor]] = training.averages
    if world.kind == "fsdp":
        averages = {length: copied_to_host(average, torch.half) for length, average in averages.items()}
    writer.add(partial(folder.save, training.step, averages, config.keep, config.every))

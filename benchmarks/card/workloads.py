"""The steps that are measured: settings as `trainer fit` chooses them, random batches on the device, time per step."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, get_args

import torch
from card.cells import Site
from torch import Tensor

from common.atomic import write_atomically
from train.configuration.presets import Preset
from train.configuration.settings import merge_settings, validated_config
from train.configuration.stage_config import STAGES, Stage, StageConfig
from train.data import Batch
from train.data.batch import to_device
from train.diffusion.schedule import make_schedule
from train.hardware.cards import card_of
from train.hardware.precision import Precision
from train.hardware.world import SINGLE_PROCESS
from train.memory.automatic import choose
from train.memory.trace import blank_batch
from train.training.state import Training
from train.training.step import Stepper, init_training, train_step

PRESETS: tuple[Preset, ...] = ("small", "nano", "paper")
"""The one that most people train first comes first."""
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
_REHEARSED = ("data.batch=2",)
_MOST_SECONDS = 40.0


def cell_names() -> list[tuple[Preset, Stage]]:
    """Return every preset with every stage, in order of value."""
    return [(preset, stage) for preset in PRESETS for stage in STAGES]


def given(site: Site, preset: Preset, stage: Stage, *settings: str) -> dict[str, Any]:
    """Return what a user's `--set` would give; a rehearsal's batch is tiny."""
    return merge_settings(preset, stage, None, [*settings, *(_REHEARSED if site.is_rehearsal else ())])


def configured(site: Site, preset: Preset, stage: Stage, *settings: str) -> StageConfig:
    """Return settings of which nothing is chosen for the machine."""
    return validated_config(given(site, preset, stage, *settings), stage)


def chosen(site: Site, preset: Preset, stage: Stage, *, compiled: bool) -> StageConfig:
    """Return what `trainer fit` chooses on this card; it is kept, since the paper's sizes take a minute to plan."""
    path = site.folder / "chosen" / f"{preset}-{stage}.json"
    if path.exists():
        config = StageConfig.model_validate_json(path.read_bytes())
    else:
        values = given(site, preset, stage)
        config = choose(values, stage, card_of(site.device), SINGLE_PROCESS, site.folder / "none").config
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, config.model_dump_json().encode())
    return config.model_copy(update={"compile": compiled})


def random_batch(config: StageConfig, size: int, device: torch.device) -> Batch:
    """Return ``size`` samples of random images and poses on the device, the same every time."""
    random = torch.Generator().manual_seed(0)

    def filled(value: Tensor) -> Tensor:
        like = value.clone()  # in the loader's layout
        return like.random_(0, 256, generator=random) if like.dtype == torch.uint8 else like.uniform_(generator=random)

    blank = blank_batch(config, size)
    values = {field.name: getattr(blank, field.name) for field in fields(blank)}
    images = {name: filled(value) for name, value in values.items() if isinstance(value, Tensor)}
    return to_device(replace(blank, **images), device)  # type: ignore[arg-type]


@dataclass
class Steps:
    """A training that makes steps on one random batch."""

    config: StageConfig
    device: torch.device

    def __post_init__(self) -> None:
        self.training: Training = init_training(self.config, self.device)
        self.stepper = Stepper(self.config, make_schedule(self.config.diffusion.schedule), self.device)
        self.batch = random_batch(self.config, self.config.data.batch, self.device)

    def make(self, count: int = 1) -> float:
        """Make steps and return the seconds that they took, the last one's end awaited."""
        synchronize(self.device)
        started = time.perf_counter()
        for _ in range(count):
            train_step(self.training, self.batch, self.stepper)
        synchronize(self.device)
        return time.perf_counter() - started


def seconds_each(make: Callable[[int], float], *, rounds: int = 5, round_seconds: float = 2.0) -> float:
    """Return the median over rounds of the seconds of one step; ``make`` makes some and returns what they took.

    Where a step takes long there are fewer rounds, so that they take half a minute or so.
    """
    once = make(1)
    count = max(1, min(50, int(round_seconds / max(once, 1e-6))))
    rounds = max(1, min(rounds, int(_MOST_SECONDS / (count * max(once, 1e-6)))))
    return statistics.median(make(count) / count for _ in range(rounds))


def synchronize(device: torch.device) -> None:
    """Wait for all that the card was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)

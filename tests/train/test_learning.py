"""A guard: a short training still learns to take the garment from Ic, and to put it where it belongs.

Nano's base stage at 32², 240 steps on 30 drawn people; what it is asked for are unseen people in unseen garments.
Numbers are of one seed, with a margin for another processor's rounding (docs/learning.md has the long run).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from train.config import StageConfig
from train.data import Batch, BatchLoader, ShardFolder
from train.diffusion.schedule import make_schedule
from train.settings import stage_config
from train.state import Training
from train.step import Stepper, begin, sample_losses, train_step

SETTINGS = (
    "steps=240", "optim.warmup=20", "data.batch=8", "data.threads=1", "diffusion.augmentation=0", "diffusion.drop=0",
    "diffusion.shown_std=0.1", "diffusion.t_shift=5",
)  # fmt: skip


@pytest.fixture(scope="module")
def config() -> StageConfig:
    return stage_config("nano", "base", None, SETTINGS)


@pytest.fixture(scope="module")
def trained(more_shards: Path, config: StageConfig) -> Training:
    training = begin(config, torch.device("cpu"))
    stepper = Stepper(config, make_schedule(config.diffusion.schedule), torch.device("cpu"))
    batches = BatchLoader(ShardFolder(more_shards, "train"), config).batches(0)
    for _ in range(config.steps):
        train_step(training, next(batches), stepper)
    batches.close()
    return training


@pytest.fixture(scope="module")
def unseen(more_shards: Path, config: StageConfig) -> Batch:
    settings = config.model_copy(update={"data": config.data.model_copy(update={"batch": 16, "flip": False})})
    batches = BatchLoader(ShardFolder(more_shards, "val"), settings).batches(0)
    batch = next(batches)
    batches.close()
    return batch


@torch.no_grad()
def loss_from_noise(training: Training, batch: Batch, config: StageConfig) -> Tensor:
    """Return each sample's loss where z_t says nothing and all has to come from the condition."""
    stepper = Stepper(config, make_schedule(config.diffusion.schedule), torch.device("cpu"))
    return sample_losses(training.model, batch, stepper, t=torch.ones(len(batch.positions)))


def test_the_garment_is_taken_from_its_picture(trained: Training, unseen: Batch, config: StageConfig) -> None:
    assert unseen.Ic is not None
    assert unseen.Jg is not None
    right = loss_from_noise(trained, unseen, config)
    exchanged = replace(unseen, Ic=unseen.Ic.roll(1, 0), Jg=unseen.Jg.roll(1, 0))
    wrong = loss_from_noise(trained, exchanged, config)
    assert right.mean() < 0.21  # 0.173 where this was written; a network that says nothing has 0.72
    assert right.mean() < 0.8 * wrong.mean()  # 0.66
    assert (right < wrong).float().mean() >= 0.7  # 0.875

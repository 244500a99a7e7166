"""Training one stage: read `fit_stage` from top to bottom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from train.checkpoint import checkpoints, restore, save_checkpoint
from train.config import StageConfig
from train.data import BatchLoader, ShardFolder, claim_data
from train.diffusion.schedule import make_schedule
from train.metrics import Meter, Status, open_metrics
from train.parallel.network import refuse_impossible
from train.parallel.world import ALONE, World
from train.run import claim_run
from train.step import Stepper, begin, train_step
from train.validation.examine import Examiner

Report = Callable[[Status], None]


class Diverged(Exception):  # noqa: N818  the outcome of a run, not a fault of the program
    """Too many steps in a row were not finite; the message says what is left and what to do."""


def fit_stage(
    config: StageConfig,
    shards: ShardFolder,
    run: Path,
    report: Report,
    stop: Callable[[], bool],
    held_out: ShardFolder | None = None,
    world: World = ALONE,
) -> bool:
    """Train the stage in its run folder, from its last checkpoint if there is one, until ``config.steps``.

    ``held_out``, the split val, is looked at on the way (train/validation); without it nothing is. ``stop`` is asked
    after every step and while looking; when it says so, a checkpoint is written and the function returns False.
    Everything random is keyed by the seed and by the number of the sample, so a run that was interrupted goes on
    bit for bit as if it never was (on one kind of machine with one number of threads). Raise Diverged after
    ``optim.max_skipped`` steps in a row that were not finite.

    Of the processes of ``world`` each makes its share of every step. They write one run folder, which any number of
    processes goes on from: the first writes, and what stops one stops all.
    """
    refuse_impossible(config, world)
    world.first(lambda: _claim(run, config, shards))

    training = begin(config, world.device, world)
    restore(run, training, world)
    stepper = Stepper(config, make_schedule(config.diffusion.schedule), world.device, world)
    metrics = open_metrics(run, config.log, training.step, world)
    examiner = world.agree(lambda: Examiner(held_out, stepper, run, metrics))

    def to_stop() -> bool:
        return world.any(stop())

    examiner.look(training, to_stop)  # where the run was stopped while looking

    batches = BatchLoader(shards, config, world.rank, world.size).batches(training.step * config.data.batch)
    meter, stopped = Meter(config, training.step, world.device), False
    while training.step < config.steps and not stopped:
        batch = world.agree(lambda: meter.waiting(batches))
        loss = train_step(training, batch, stepper)

        status = meter.status(training, loss.item(), int(world.total(torch.tensor(batch.replaced))))
        metrics.step(status)
        report(status)
        if training.skipped_in_a_row >= config.optim.max_skipped:
            raise Diverged(_last_words(run, config))
        examiner.look(training, to_stop)
        stopped = to_stop()
        if stopped or training.step == config.steps or training.step % config.checkpoint.every == 0:
            save_checkpoint(run, training, config.checkpoint.keep, metrics.validation, world)
    batches.close()
    return training.step >= config.steps


def _claim(run: Path, config: StageConfig, shards: ShardFolder) -> None:
    claim_run(run, config)
    claim_data(run, shards)


def _last_words(run: Path, config: StageConfig) -> str:
    held = checkpoints(run)
    return (
        f"{config.stage}: loss or gradients of {config.optim.max_skipped} steps in a row were not finite; "
        + (f"the last good checkpoint is {held[-1]}" if held else "there is no checkpoint yet")
        + "; a smaller optim.lr or another precision, in a new --runs, may help"
    )

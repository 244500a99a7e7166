"""Training one stage: read `fit_stage` from top to bottom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from train.configuration.stage_config import StageConfig
from train.data import Batch, BatchLoader, ShardFolder, claim_data
from train.data.batch import on_device
from train.diffusion.schedule import make_schedule
from train.hardware.cards import peak_tflops
from train.hardware.world import ALONE, World
from train.runs.checkpoint_folder import last_good
from train.runs.run_folder import claim_run
from train.runs.run_lock import RunLock, hold_run
from train.training.checkpoint import restore, save_checkpoint
from train.training.metrics import Meter, Status, open_metrics
from train.training.outcomes import Outcomes
from train.training.parallel import refuse_impossible
from train.training.profiling import Profiler
from train.training.step import Stepper, begin
from train.training.step_memory import MemoryGuard
from train.training.validation.examine import Examiner

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
    *,
    adapt: Callable[[str], None] | None = None,
    profile: int = 0,
) -> bool:
    """Train the stage in its run folder, from its last checkpoint if there is one, until ``config.steps``.

    ``held_out``, the split val, is looked at on the way (train/validation); without it nothing is. ``stop`` is asked
    after every step and while looking; when it says so, a checkpoint is written and the function returns False.
    Everything random is keyed by the seed and by the number of the sample, so a run that was interrupted goes on
    bit for bit as if it never was (on one kind of machine with one number of threads). Raise Diverged after
    ``optim.max_skipped`` steps in a row that were not finite, and UserError where the device's memory runs out; with
    ``adapt``, which is called with a line that says so, the micro-batch is halved in the first steps instead.
    ``profile`` steps are written to the run folder as a trace.

    Of the processes of ``world`` each makes its share of every step. They write one run folder, which any number of
    processes goes on from: the first writes, and what stops one stops all. Raise UserError where another training is at
    work in it (`run_lock`). On a card the host launches a step while the one before is computed, and a step's
    numbers are written a step late.
    """
    refuse_impossible(config, world)
    with hold_run(run, world, stop) as lock:
        end = stop if lock is None else lambda: stop() or lock.lost
        return _fit(config, shards, run, report, end, held_out, world, lock, adapt, profile)


def _fit(
    config: StageConfig,
    shards: ShardFolder,
    run: Path,
    report: Report,
    stop: Callable[[], bool],
    held_out: ShardFolder | None,
    world: World,
    lock: RunLock | None,
    adapt: Callable[[str], None] | None,
    profile: int,
) -> bool:
    world.first(lambda: _claim(run, config, shards))

    training = begin(config, world.device, world)
    restore(run, training, world)
    stepper = Stepper(config, make_schedule(config.diffusion.schedule), world.device, world)
    metrics = open_metrics(run, config.log, training.step, world)
    examiner = world.agree(lambda: Examiner(held_out, stepper, run, metrics))

    def to_stop() -> bool:
        return world.any(stop())

    examiner.look(training, to_stop)  # where the run was stopped while looking

    on_card = world.device.type == "cuda"
    loader = BatchLoader(shards, config, world.rank, world.size, on_card=on_card, pin=on_card)
    batches = on_device(loader.batches(training.step * config.data.batch), world.device)
    meter = Meter(config, training.step, world.device, peak_tflops(config.precision, world))
    outcomes, guard = Outcomes(world.device), MemoryGuard(stepper, run, adapt)
    profiler = Profiler(run, profile, training.step, world)
    saved, stopping = training.step, False

    def following() -> tuple[Batch | None, tuple[int, int]]:
        """Return the next batch, whether this process is to stop, and how many samples were replaced."""
        if stopping:
            return None, (1, 0)
        batch = meter.waiting(batches)
        return batch, (0, batch.replaced)

    def tell(everything: bool) -> None:
        for found in outcomes.ready(everything):
            status = meter.status(found)
            metrics.step(status)
            report(status)
            if found.skipped_in_a_row >= config.optim.max_skipped:
                raise Diverged(_last_words(run, config))

    def save() -> None:
        world.agree(lambda: None if lock is None else lock.check())
        save_checkpoint(run, training, config.checkpoint.keep, metrics.validation, world)

    while training.step < config.steps:
        batch, (stops, replaced) = world.agree_and_sum(following, 2)
        if batch is None or stops:
            break
        outcomes.add(training, guard.step(training, batch), replaced)
        profiler.stepped(training.step)
        to_save = training.step == config.steps or training.step % config.checkpoint.every == 0
        tell(everything=to_save or examiner.is_due(training.step))
        examiner.look(training, to_stop)
        if to_save:
            save()
            saved = training.step
        stopping = stop()
    tell(everything=True)
    if saved != training.step:
        save()
    batches.close()
    profiler.close()
    return training.step >= config.steps


def _claim(run: Path, config: StageConfig, shards: ShardFolder) -> None:
    claim_run(run, config)
    claim_data(run, shards)


def _last_words(run: Path, config: StageConfig) -> str:
    good = last_good(run)
    return (
        f"{config.stage}: loss or gradients of {config.optim.max_skipped} steps in a row were not finite; "
        + (f"the last checkpoint from before them is {good}" if good else "there is no checkpoint from before them")
        + "; a smaller optim.lr or another precision, in a new --runs, may help"
    )

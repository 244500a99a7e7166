"""Training one stage: read `fit_stage` from top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

from train.configuration.stage_config import StageConfig
from train.data import Batch, BatchLoader, ShardFolder
from train.data.batch import prefetch_to_device
from train.diffusion.schedule import make_schedule
from train.hardware.cards import peak_tflops
from train.hardware.world import SINGLE_PROCESS, World
from train.inference.cascade import TrainedStage
from train.inference.initial_weights import InitialWeights
from train.inference.previous_stage import PreviousStage, grown_weights
from train.runs.run_folder import RunFolder
from train.runs.run_lock import RunLock
from train.training.checkpoint import restore, save_checkpoint, take_weights
from train.training.metrics import Meter, Status, open_metrics
from train.training.optim.power_averages import save_if_due
from train.training.outcomes import Outcome, Outcomes
from train.training.parallel import refuse_impossible
from train.training.profiling import Profiler
from train.training.saving.background_writer import BackgroundWriter
from train.training.state import Training
from train.training.step import Stepper, init_training
from train.training.step_memory import MemoryGuard
from train.training.validation.validator import Validator

Report = Callable[[Status], None]


class Diverged(Exception):  # noqa: N818  the outcome of a run, not a fault of the program
    """Too many consecutive steps were not finite; the message names the last good checkpoint and what to try."""


def fit_stage(
    config: StageConfig,
    shards: ShardFolder,
    run: Path,
    report: Report,
    stop: Callable[[], bool],
    held_out: ShardFolder | None = None,
    world: World = SINGLE_PROCESS,
    *,
    init: InitialWeights | None = None,
    previous: TrainedStage | None = None,
    adapt: Callable[[str], None] | None = None,
    profile: int = 0,
) -> bool:
    """Train the stage in its run folder, from its last checkpoint if there is one, until ``config.steps``.

    ``held_out``, the split val, is validated on (train/training/validation); without it there is no validation.
    ``stop`` is called after every step and during validation; once it returns True, a checkpoint is written and the
    function returns False. Everything random is keyed by the seed and the sample's number, so an interrupted run
    resumes and ends bit for bit as if it had never stopped (on one kind of machine with one number of threads). Raise
    Diverged after ``optim.max_skipped`` consecutive non-finite steps, and UserError if the device's memory
    runs out; with ``adapt``, which is called with a line about it, the micro-batch is halved in the first steps
    instead. A run without a checkpoint starts from ``init``; one with a checkpoint is refused if it started from other
    weights. ``previous`` is the trained previous stage, for a configuration with ``own_low_res`` or ``grow``.
    ``profile`` steps are written to the run folder as a trace.

    The processes of ``world`` share every step. They write one run folder, from which any number of processes can
    resume: rank 0 writes, with fsdp each its shards of checkpoints (`background_writer`), and what stops one process
    stops all. Raise UserError if another process trains in the folder (`run_lock`). On a GPU the host launches a step
    while the previous one is computed, and a step's numbers are written a step late.
    """
    refuse_impossible(config, world)
    folder = RunFolder(run)
    with folder.hold(world, stop) as lock:
        end = stop if lock is None else lambda: stop() or lock.lost
        world.run_on_main(lambda: folder.claim(config, shards, init.record if init else None))
        if world.kind == "fsdp":
            world.agree(folder.check_visible)
        training, stepper = _begin(config, folder, world, init, previous)
        with BackgroundWriter(world) as writer:
            return _Loop(
                training,
                stepper,
                shards,
                folder,
                held_out,
                report=report,
                stop=end,
                lock=lock,
                writer=writer,
                adapt=adapt,
                profile=profile,
            ).fit()


class _Loop:
    """The steps of a stage, and what happens between them: numbers, validation, checkpoints, averages."""

    def __init__(
        self,
        training: Training,
        stepper: Stepper,
        shards: ShardFolder,
        run: RunFolder,
        held_out: ShardFolder | None,
        *,
        report: Report,
        stop: Callable[[], bool],
        lock: RunLock | None,
        writer: BackgroundWriter,
        adapt: Callable[[str], None] | None,
        profile: int,
    ) -> None:
        config, world = stepper.config, stepper.world
        self.training, self.run, self.config, self.world = training, run, config, world
        self.report, self.stop, self.lock, self.writer = report, stop, lock, writer
        self.metrics = open_metrics(run, config.log, training.step, world)
        self.validator = world.agree(lambda: Validator(held_out, stepper, run, self.metrics))
        self._validate()  # where the run was stopped during validation, and before the meter's clock starts
        self.batches = _batches(config, shards, training.step, world)
        self.meter = Meter(config, training.step, world.device, peak_tflops(config.precision, world))
        self.outcomes, self.guard = Outcomes(world.device), MemoryGuard(stepper, run, adapt)
        self.profiler = Profiler(run, profile, training.step, world)
        self.saved, self.stopping = training.step, False

    def fit(self) -> bool:
        """Step until the configuration's last step or until asked to stop; return whether the last one was taken."""
        while self.training.step < self.config.steps:
            batch, (stops, replaced) = self.world.agree_and_sum(self._next_batch, 2)
            if batch is None or stops:
                break
            self._step(batch, replaced)
            self.stopping = self.stop()
        self._record(everything=True)
        if self.saved != self.training.step:
            self._save()
        self.batches.close()
        self.profiler.close()
        return self.training.step >= self.config.steps

    def _step(self, batch: Batch, replaced: int) -> None:
        """Take one step, and do what is due after it."""
        training, config = self.training, self.config
        self.outcomes.add(training, self.guard.step(training, batch), replaced)
        self.profiler.stepped(training.step)
        last = training.step == config.steps
        to_save = last or training.step % config.checkpoint.every == 0
        self._record(everything=to_save or self.validator.is_due(training.step))
        self._validate()
        if to_save:
            self._save()
        save_if_due(self.run.averages, training, config.averages, self.world, self.writer, last=last)

    def _next_batch(self) -> tuple[Batch | None, tuple[int, int]]:
        """Return the next batch, whether this process is to stop, and how many samples were replaced."""
        self.writer.check()
        if self.stopping:
            return None, (1, 0)
        batch = self.meter.next_batch(self.batches)
        return batch, (0, batch.replaced)

    def _record(self, everything: bool) -> None:
        for outcome in self.outcomes.ready(everything):
            status = self.meter.status(outcome)
            self.metrics.record_step(status)
            self.report(status)
            _check_divergence(outcome, self.run, self.config, self.writer)

    def _validate(self) -> None:
        self.validator.run_if_due(self.training, lambda: self.world.any(self.stop()))

    def _save(self) -> None:
        lock = self.lock
        self.world.agree(lambda: None if lock is None else lock.check())
        save_checkpoint(
            self.run, self.training, self.config.checkpoint.keep, self.metrics.validation, self.world, self.writer
        )
        self.saved = self.training.step


def _begin(
    config: StageConfig, run: RunFolder, world: World, init: InitialWeights | None, previous: TrainedStage | None
) -> tuple[Training, Stepper]:
    """Resume from the run's last checkpoint; without one, take the initial weights, which each process reads."""
    training = init_training(config, world.device, world)
    if not restore(run, training, world):
        if init is not None:
            take_weights(training, world.agree(init.load))
        elif config.grow and previous is not None:
            take_weights(training, grown_weights(previous, config))
    own, error = config.diffusion.own_low_res, config.diffusion.own_low_res_error
    before = PreviousStage(previous, own, config.seed, error) if previous is not None and own else None
    return training, Stepper(config, make_schedule(config.diffusion.schedule), world.device, world, before)


def _batches(config: StageConfig, shards: ShardFolder, done: int, world: World) -> Generator[Batch, None, None]:
    """Yield the batches after ``done`` steps, on the device."""
    on_card = world.device.type == "cuda"
    loader = BatchLoader(shards, config, world.rank, world.size, on_card=on_card, pin=on_card)
    return prefetch_to_device(loader.batches(done * config.data.batch), world.device)


def _check_divergence(outcome: Outcome, run: RunFolder, config: StageConfig, writer: BackgroundWriter) -> None:
    if outcome.skipped_in_a_row < config.optim.max_skipped:
        return
    writer.settle()
    good = run.checkpoints.last_good()
    raise Diverged(
        f"{config.stage}: loss or gradients were not finite for {config.optim.max_skipped} consecutive steps; "
        + (f"the last good checkpoint is {good}" if good else "there is no good checkpoint")
        + "; try a smaller optim.lr or another precision in a new --runs folder"
    )

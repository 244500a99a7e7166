"""The command `trainer fit`: trains the stages, in one process or under torchrun."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import click

from common.errors import UserError
from common.options import FOLDER, examples
from common.progress import notice, progress_bar
from common.text import counted, one_line
from train.cli.choices.shared_options import RUNS, SETTINGS, SOURCES, SettingOptions
from train.configuration.settings import merge_settings, validated_config
from train.configuration.stage_config import STAGES, Stage, StageConfig
from train.data import ShardFolder
from train.data.blend import Source, open_blend, parts_of
from train.data.opening import check_target_size
from train.hardware.cards import card_of, prepare
from train.hardware.rank import is_main
from train.hardware.world import SINGLE_PROCESS, Parallel, PeerFailed, World, is_peer_failure, join
from train.inference.cascade import load_previous
from train.inference.initial_weights import InitialWeights, find_initial_weights
from train.memory.automatic import ChosenSettings, choose
from train.memory.rehearse import as_table, rehearse
from train.runs.run_folder import RunFolder
from train.training.loop import Diverged, fit_stage
from train.training.metrics import Status
from train.training.parallel import refuse_impossible


@click.command(
    "fit",
    epilog=examples(
        "trainer fit --shards shards/ --dry-run",
        "trainer fit --shards shards/ --stage base --set optim.lr=2e-4",
        "trainer fit --shards shards/ --runs runs-2/ --init-from runs/",
        "trainer fit --shards shards/ --shards more-shards/=0.3 --runs runs-both/",
        "torchrun --nproc-per-node 4 -m train fit --shards shards/ --parallel fsdp",
    ),
)
@SOURCES
@RUNS
@click.option("--stage", type=click.Choice(["all", *STAGES]), default="all", show_default=True, help="Stage to train.")
@SETTINGS
@click.option("--steps", type=click.IntRange(min=1), default=None, help="Optimizer steps of each stage.")
@click.option(
    "--init-from", type=FOLDER, default=None, metavar="RUN_OR_EXPORT",
    help="Start from the EMA weights of other runs, or of an export, where names and shapes agree.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Estimate memory and time from a few steps; write nothing.")
@click.option("--skip-damaged", is_flag=True, help="Replace a damaged sample by the next valid one.")
@click.option(
    "--parallel", type=click.Choice(["ddp", "fsdp"]), default=None,
    help="Under torchrun: replicate the weights on each process, or shard them.  [default: ddp]",
)  # fmt: skip
@click.option(
    "--profile", type=click.IntRange(min=0), default=0, metavar="N",
    help="Write a trace of N steps of each stage to its run folder, for ui.perfetto.dev.",
)  # fmt: skip
def fit(
    sources: tuple[Source, ...],
    runs: Path,
    stage: Stage | Literal["all"],
    settings: SettingOptions,
    steps: int | None,
    init_from: Path | None,
    dry_run: bool,
    skip_damaged: bool,
    parallel: Parallel | None,
    profile: int,
) -> None:
    """Train the stages one after the other; an interrupted run resumes when the command is run again."""
    stages: tuple[Stage, ...] = STAGES if stage == "all" else (stage,)
    request = _Request(sources, runs, stages, settings, steps, skip_damaged, init_from)
    with _one_line_errors():
        if dry_run:
            if is_main():
                _dry_run(request)
        else:
            _train(request, parallel, profile)


@dataclass(frozen=True)
class _Request:
    """The command line's arguments, before they are resolved for the machine."""

    sources: tuple[Source, ...]
    runs: Path
    stages: tuple[Stage, ...]
    settings: SettingOptions
    steps: int | None
    skip_damaged: bool
    init_from: Path | None

    def prepared(self, world: World) -> _Prepared:
        """Read settings and shards. Raise UserError for incompatible ones, before anything is written."""
        size, assignments = self.settings.size, self.settings.assignments
        if self.steps:
            assignments = (*assignments, f"steps={self.steps}")
        given = [merge_settings(size, name, self.settings.config, assignments) for name in self.stages]
        configs = [validated_config(values, name) for values, name in zip(given, self.stages, strict=True)]
        for config in configs:
            refuse_impossible(config, world)
        data = open_blend(self.sources, "train", configs[0].data, _warn if self.skip_damaged else None)
        for config, part in product(configs, parts_of(data)):
            check_target_size(part, config.stage, config.size)
        return _Prepared(given, configs, data, _held_out(self.sources, configs))

    def initial_weights(self, prepared: _Prepared) -> list[InitialWeights | None]:
        """Find each stage's initial weights and print a line about them; None for random ones.

        Raise UserError if they do not fit, or are not those that a stage's run was started with.
        """
        return [self._initial_weights(config) for config in prepared.configs]

    def _initial_weights(self, config: StageConfig) -> InitialWeights | None:
        run = RunFolder(self.runs / config.stage)
        recorded = run.read_init()
        if self.init_from is None:
            run.check_init(None)
            return None
        missing = f"{config.stage}: --init-from {self.init_from} has no checkpoint of this stage"
        found = find_initial_weights(self.init_from, config, recorded)
        if found is None and recorded is not None:
            raise UserError(f"{missing}, but {run} was started with one ({recorded}); give the same --init-from")
        if found is None and len(self.stages) == 1:
            raise UserError(f"{missing}; give another --init-from, or train without it")
        run.check_init(found.record if found else None)
        if not run.checkpoints.all():
            _warn(found.message if found else f"{missing}; it starts from random weights")
        return found

    def chosen(self, values: dict[str, Any], name: Stage, world: World) -> ChosenSettings:
        """Choose the settings that are left to auto, for this machine."""
        card = card_of(world.device)
        if card is not None:
            _warn(f"planning {name} for {card.name}")
        return choose(values, name, card, world, self.runs / name)


@dataclass(frozen=True)
class _Prepared:
    given: list[dict[str, Any]]
    """The explicit settings of each stage."""
    configs: list[StageConfig]
    """The same with a default for each setting that is left to the machine."""
    data: ShardFolder
    held_out: ShardFolder | None
    """The split val, or None if validation is off."""


def _dry_run(request: _Request) -> None:
    prepare(SINGLE_PROCESS.device)
    prepared = request.prepared(SINGLE_PROCESS)
    request.initial_weights(prepared)
    choices = [
        request.chosen(values, name, SINGLE_PROCESS)
        for values, name in zip(prepared.given, request.stages, strict=True)
    ]
    for choice in filter(lambda choice: choice.message, choices):
        click.echo(choice.message, err=True)
    click.echo(as_table([rehearse(choice.config, prepared.data, SINGLE_PROCESS.device) for choice in choices]))


def _train(request: _Request, parallel: Parallel | None, profile: int) -> None:
    with join(parallel) as world, _stop_signals() as stopped:
        prepare(world.device)
        prepared = world.agree(lambda: request.prepared(world))
        weights = world.broadcast_from_main(lambda: request.initial_weights(prepared))
        for values, name, init in zip(prepared.given, request.stages, weights, strict=True):
            choice = world.broadcast_from_main(lambda values=values, name=name: request.chosen(values, name, world))  # type: ignore[misc]
            if choice.message:
                _print_once(choice.message, err=True)
            run = request.runs / name
            previous = world.agree(lambda choice=choice: load_previous(request.runs, choice.config, world.device))  # type: ignore[misc]
            with _training_progress(world) as report:
                whole = fit_stage(
                    choice.config, prepared.data, run, report, stopped, prepared.held_out, world,
                    init=init, previous=previous, adapt=_warn if choice.may_halve else None, profile=profile,
                )  # fmt: skip
            if not whole:
                _print_once("trainer: stopped at a checkpoint; run the same command again to resume", err=True)
                sys.exit(130)
            _print_once(f"{name}: {counted(choice.config.steps, 'step')}, {run}")


def _held_out(sources: tuple[Source, ...], configs: list[StageConfig]) -> ShardFolder | None:
    if not any(config.validation.every or config.validation.sheet_every for config in configs):
        return None
    try:
        return open_blend(sources, "val", configs[0].data)
    except UserError as error:
        raise UserError(f"{error}, or train without validation: --set validation.every=0") from error


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Exit quietly with 2 if a peer process failed, and with 1 and one line if a run diverged."""
    try:
        yield
    except PeerFailed:
        sys.exit(2)
    except Diverged as error:
        _print_once(f"trainer: {error}", err=True)
        sys.exit(1)
    except RuntimeError as error:
        if not is_peer_failure(error):
            raise
        text = one_line(error)[:200]
        raise UserError(
            f"communication with the other processes failed ({text}); if one of them has ended, see its last line"
        ) from error


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether SIGINT or SIGTERM was received; a second SIGINT interrupts at once."""
    received: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    previous = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _training_progress(world: World) -> Iterator[Callable[[Status], None]]:
    """Show step, loss, images/s and time left: a progress bar on a terminal, otherwise a line every 15 s."""
    if not world.is_main:
        yield lambda _status: None
        return
    with progress_bar("training") as update:
        terminal = sys.stderr.isatty()
        last = 0.0

        def report(status: Status) -> None:
            nonlocal last
            text = status_line(status)
            update(status.step, status.steps, text)
            if not terminal and (status.seconds - last > 15 or status.step in (1, status.steps)):
                last = status.seconds
                click.echo(f"{text} step {status.step}/{status.steps}, {status.seconds_left:.0f} s left", err=True)

        yield report


def status_line(status: Status) -> str:
    """Format the status after a step as one line."""
    return (
        f"{status.stage} loss {status.loss:.4f} norm {status.grad_norm:.2f} lr {status.lr:.1e} "
        f"{status.images_per_second:.1f} images/s {status.tflops:.3g} TFLOP/s"
        + (f" (MFU {status.mfu:.0%})" if status.mfu is not None else "")
        + f" {status.memory_bytes / 2**30:.1f} GiB, data wait {status.data_wait:.0%}"
        + (f", loss scale {status.loss_scale:g}" if status.loss_scale is not None else "")
        + (f", {status.skipped} skipped" if status.skipped else "")
        + (f", {status.replaced} replaced" if status.replaced else "")
    )


def _warn(line: str) -> None:
    notice("trainer", line)


def _print_once(message: str, err: bool = False) -> None:
    """Print on the main process only."""
    if is_main():
        click.echo(message, err=err)

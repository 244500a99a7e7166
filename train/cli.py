"""The `trainer` command line. Results go to stdout, progress and messages to stderr; exit 2 is the user's mistake."""

from __future__ import annotations

import train.runtime  # isort: skip  # noqa: F401  before torch and numpy

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import click
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from schemas import Garment, Split, UserError
from schemas.program import run_program, traceback_option
from schemas.seeds import MAX_SEED
from train.automatic import Choice, choose
from train.cards import CARDS, CardName, card_of, prepare
from train.cascade import Overrides, load_cascade
from train.config import STAGES, Precision, SamplerName, Stage, StageConfig
from train.data import ShardFolder, open_shards
from train.demo_cli import demo_command
from train.diffusion.samplers import SAMPLERS
from train.export import CARD, export_cascade
from train.extras import needs
from train.fit import Diverged, fit_stage
from train.metrics import Status
from train.options import FAST, RUNS, WEIGHTS
from train.pairs import ALL_BOUND, all_pairs, keyed_pairs, pairs_from_file
from train.parallel.network import refuse_impossible
from train.parallel.world import ALONE, Elsewhere, Parallel, World, is_first, join, lost_another
from train.photographs import PrepError, Wish, shards_of
from train.plan.memory import planned_card
from train.plan.report import as_json, as_text
from train.plan.search import budget_of, plan_stage
from train.presets import Preset, preset_config
from train.rehearse import as_table, rehearse
from train.report_cli import report_command
from train.sample import Pair, provenance, sample_pairs, swapped_pairs
from train.settings import as_yaml, checked, given_settings

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)


class _Location(click.ParamType[str | Path]):
    """A folder as a Path, anything that names a scheme as it is given: Path would make one slash of two."""

    name = "folder or url"

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> str | Path:
        text = str(value)
        return text if "://" in text or ":" in text.split("/")[0] else Path(text)


_shards = click.option(
    "--shards", type=_Location(), required=True, metavar="FOLDER|URL",
    help="What prep build-shards wrote: a folder, or where it was copied to, e.g. s3://bucket/shards.",
)  # fmt: skip


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tryon-cascade")
@traceback_option
def cli() -> None:
    """Train the cascade on shards, and dress people with it."""


cli.add_command(demo_command)
cli.add_command(report_command)


_preset = click.option(
    "--preset", type=click.Choice(["nano", "small", "paper"]), default=None,
    help="Size of the cascade.  [default: nano on a CPU, small on a GPU]",
)  # fmt: skip
_config = click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), default=None, help="Settings, as YAML."
)
_set = click.option(
    "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="One setting, e.g. optim.lr=1e-4."
)


@cli.command()
@_shards
@RUNS
@click.option("--stage", type=click.Choice(["all", *STAGES]), default="all", show_default=True, help="What to train.")
@_preset
@click.option("--steps", type=click.IntRange(min=1), default=None, help="Optimizer steps of each stage.")
@_config
@_set
@click.option("--dry-run", is_flag=True, help="Say what it takes, by a few steps that are thrown away; write nothing.")
@click.option("--skip-damaged", is_flag=True, help="Take the next sound sample for a damaged one; do not stop.")
@click.option(
    "--parallel", type=click.Choice(["ddp", "fsdp"]), default=None,
    help="Under torchrun: a copy of the weights on each process, or a share.  [default: ddp]",
)  # fmt: skip
@click.option(
    "--profile", type=click.IntRange(min=0), default=0, metavar="N",
    help="Write a trace of N steps of each stage to its run folder, for ui.perfetto.dev.",
)  # fmt: skip
def fit(
    shards: Path | str,
    runs: Path,
    stage: Stage | Literal["all"],
    preset: Preset | None,
    steps: int | None,
    config: Path | None,
    assignments: tuple[str, ...],
    dry_run: bool,
    skip_damaged: bool,
    parallel: Parallel | None,
    profile: int,
) -> None:
    """Train the stages one after the other; run it again after an interruption and it goes on where it was."""
    size = preset or _default_preset()
    chosen: tuple[Stage, ...] = STAGES if stage == "all" else (stage,)
    settings = (*assignments, *([f"steps={steps}"] if steps else []))

    def prepared(world: World) -> tuple[list[dict[str, Any]], list[StageConfig], ShardFolder, ShardFolder | None]:
        given = [given_settings(size, name, config, settings) for name in chosen]
        configs = [checked(values, name) for values, name in zip(given, chosen, strict=True)]
        for each in configs:
            refuse_impossible(each, world)
        data = open_shards(shards, "train", configs[0].data, _warn if skip_damaged else None)
        return given, configs, data, _held_out(shards, configs)

    def settled(values: dict[str, Any], name: Stage, world: World) -> Choice:
        card = card_of(world.device)
        if card is not None:
            click.echo(f"trainer: planning {name} for {card.name}", err=True)
        return choose(values, name, card, world, runs / name)

    if dry_run:
        if is_first():
            prepare(ALONE.device)
            given, _, data, _ = prepared(ALONE)
            choices = [settled(values, name, ALONE) for values, name in zip(given, chosen, strict=True)]
            for choice in filter(lambda choice: choice.told, choices):
                click.echo(choice.told, err=True)
            click.echo(as_table([rehearse(choice.config, data, ALONE.device) for choice in choices]))
        return
    with join(parallel) as world, _stop_signals() as stopped:
        prepare(world.device)
        given, _, data, held_out = world.agree(lambda: prepared(world))
        for values, name in zip(given, chosen, strict=True):
            run = runs / name
            choice = world.told(lambda values=values, name=name: settled(values, name, world))  # type: ignore[misc]
            if choice.told:
                _tell(choice.told, err=True)
            with _training_progress(world) as report:
                whole = fit_stage(
                    choice.config, data, run, report, stopped, held_out, world,
                    adapt=_warn if choice.may_halve else None, profile=profile,
                )  # fmt: skip
            if not whole:
                _tell("trainer: stopped at a checkpoint; run the same command again to go on", err=True)
                sys.exit(130)
            _tell(f"{name}: {choice.config.steps} steps, {run}")


@cli.command()
@click.option(
    "--preset", type=click.Choice(["nano", "small", "paper"]), default="small", show_default=True,
    help="Size of the cascade.",
)  # fmt: skip
@click.option(
    "--memory", default=None, metavar="SIZE|auto",
    help="Memory that the card's driver reports, e.g. 24GB, 15900MiB, or what is free on this one's.  [default: 16GiB]",
)  # fmt: skip
@click.option("--card", type=click.Choice(list(CARDS)), default=None, help="A card that is known, for --memory.")
@click.option("--stage", type=click.Choice(["all", *STAGES]), default="all", show_default=True, help="What to plan.")
@click.option(
    "--precision", type=click.Choice(["bf16", "fp16", "fp32"]), default=None,
    help="Arithmetic.  [default: bf16, or fp16 on a card that has no bf16]",
)  # fmt: skip
@click.option("--batch", type=click.IntRange(min=1), default=None, help="Samples a step.  [default: the preset's]")
@click.option("--json", "as_object", is_flag=True, help="Print one JSON object.")
def plan(
    preset: Preset,
    memory: str | None,
    card: CardName | None,
    stage: Stage | Literal["all"],
    precision: Precision | None,
    batch: int | None,
    as_object: bool,
) -> None:
    """Say what training takes of a card's memory, and the settings that make it fit; needs no GPU."""
    if memory and card:
        raise UserError("--memory and --card both say how much there is; give one of them")
    target = CARDS[card] if card else planned_card(memory or "16GiB")
    size, running = target.memory, memory == "auto"
    precision = precision or ("bf16" if target.has_bf16 else "fp16")
    if precision == "bf16" and not target.has_bf16:
        raise UserError(f"--precision bf16: {target.name} has no bf16 arithmetic; fp16 or fp32 would fit")
    plans = []
    for name in STAGES if stage == "all" else (stage,):
        config = preset_config(preset, name)
        click.echo(f"trainer: planning {name}", err=True)
        budget = budget_of(size, running=running)
        plans.append(plan_stage(config, budget, precision, batch or config.data.batch))
    click.echo(json.dumps(as_json(plans, size)) if as_object else as_text(plans, size))
    if not all(plan.micro_batch for plan in plans):
        sys.exit(1)


@cli.command()
@click.option("--stage", type=click.Choice(STAGES), default="base", show_default=True, help="Whose settings.")
@_preset
@_config
@_set
def config(stage: Stage, preset: Preset | None, config: Path | None, assignments: tuple[str, ...]) -> None:
    """Print all settings of a stage as YAML, which --config takes back; auto is chosen for the machine."""
    given = given_settings(preset or _default_preset(), stage, config, assignments)
    click.echo(as_yaml(checked(given, stage), given), nl=False)


@cli.command()
@RUNS
@_shards
@click.option("--out", type=_FOLDER, default=Path("samples"), show_default=True, help="Folder for the pictures.")
@click.option(
    "--split", type=click.Choice(["val", "train"]), default="val", show_default=True, help="Where to take people from."
)
@click.option("--person", "people", multiple=True, metavar="KEY", help="Sample whose person to dress; repeatable.")
@click.option("--garment", "garments", multiple=True, metavar="KEY", help="Sample whose garment, one a person.")
@click.option("--pairs-file", type=click.Path(dir_okay=False, path_type=Path), help="CSV or TSV: person, garment.")
@click.option("--all", "everyone", is_flag=True, help=f"All against all, at most {ALL_BOUND} pictures or --pairs.")
@click.option("--pairs", type=click.IntRange(min=1), default=None, help="How many people to dress.  [default: 8]")
@click.option("--sampler", type=click.Choice(list(SAMPLERS)), default=None, help="[default: each stage's own]")
@click.option("--steps", type=click.IntRange(min=1), default=None, help="Sampling steps.  [default: each stage's own]")
@FAST
@click.option("--guidance", type=float, default=None, help="Weight w of guidance.  [default: each stage's own]")
@click.option("--ema/--no-ema", default=True, show_default=True, help="Averaged weights, or those of the last step.")
@click.option(
    "--seed", type=click.IntRange(0, MAX_SEED), default=0, show_default=True, help="Same seed, same pictures."
)
def sample(
    runs: Path,
    shards: Path | str,
    out: Path,
    split: Split,
    people: tuple[str, ...],
    garments: tuple[str, ...],
    pairs_file: Path | None,
    everyone: bool,
    pairs: int | None,
    sampler: SamplerName | None,
    steps: int | None,
    fast: bool,
    guidance: float | None,
    ema: bool,
    seed: int,
) -> None:
    """Dress people, of the validation split by default, in garments of others."""
    if sum([bool(people or garments), pairs_file is not None, pairs is not None or everyone]) > 1:
        raise UserError("who is dressed is said twice; give --person with --garment, or --pairs-file, or --pairs")
    if fast and (sampler or steps):
        raise UserError("--fast chooses sampler and steps itself; leave out --sampler and --steps, or --fast")
    stages = load_cascade(runs, ALONE.device, "ema" if ema else "model")
    data = open_shards(shards, split, stages[0].config.data)
    overrides = Overrides(sampler, steps, guidance, fast)
    overrides.refuse_impossible(stages)
    if everyone:
        chosen, total = all_pairs(data, pairs)
        click.echo(f"trainer: {len(chosen)} of {total} pairs", err=True)
    else:
        chosen = _chosen_pairs(data, people, garments, pairs_file, pairs)
    with _bar("sampling") as progress:
        sheet = sample_pairs(
            stages, data, chosen, out, seed=seed, overrides=overrides, device=ALONE.device, progress=progress
        )  # fmt: skip
    click.echo(f"{len(chosen)} pictures of {stages[-1].config.size}² in {out}")
    click.echo(f"contact sheet: {sheet}")


@cli.command("try-on")
@click.option("--person", type=_FILE, required=True, help="Photograph of a person.")
@click.option("--garment", type=_FILE, required=True, help="Photograph of a garment.")
@click.option(
    "--kind", type=click.Choice(["upper", "lower", "dress"]), default="upper", show_default=True, help="Of the garment."
)
@RUNS
@click.option("--out", type=_FOLDER, default=Path("try-on"), show_default=True, help="Folder for the picture.")
@WEIGHTS
@click.option("--seed", type=click.IntRange(0, MAX_SEED), default=0, show_default=True, help="Same seed, same picture.")
def try_on(
    person: Path, garment: Path, kind: Garment, runs: Path, out: Path, weights: tuple[Path, ...], seed: int
) -> None:
    """Dress the person of one photograph in the garment of another; needs prep's extra estimate."""
    stages = load_cascade(runs, ALONE.device)
    try:
        shards = shards_of(Wish(person, garment, kind, weights), out)
    except PrepError as error:
        click.echo(f"trainer: {error}, see above and in {out}", err=True)
        sys.exit(error.code)
    data = open_shards(shards, "val", stages[0].config.data)
    with _bar("sampling") as progress:
        sheet = sample_pairs(
            stages, data, [Pair(0, 0)], out, seed=seed, overrides=Overrides(), device=ALONE.device, progress=progress
        )  # fmt: skip
    click.echo(f"picture of {stages[-1].config.size}²: {out / f'{data.keys[0]}__{data.keys[0]}.png'}")
    click.echo(f"contact sheet: {sheet}")


@cli.command()
@RUNS
@_shards
@click.option("--split", type=click.Choice(["val", "train"]), default="val", show_default=True, help="Whom to dress.")
@click.option("--pairs", type=click.IntRange(min=1), default=64, show_default=True, help="How many people to dress.")
@click.option("--weights", type=_FOLDER, default=None, help="Folder of the networks of LPIPS, FID and KID.")
@click.option("--truth", type=_FOLDER, default=None, help="Folder truth of drawn data: dress people in swaps as well.")
@click.option("--seed", type=click.IntRange(0, MAX_SEED), default=0, show_default=True, help="Same seed, same figures.")
@click.option("--json", "as_object", is_flag=True, help="Print one JSON object.")
def evaluate(
    runs: Path,
    shards: Path | str,
    split: Split,
    pairs: int,
    weights: Path | None,
    truth: Path | None,
    seed: int,
    as_object: bool,
) -> None:
    """Measure how near the pictures are to photographs: PSNR, SSIM, LPIPS, FID, KID; and swaps to their truth."""
    with needs("evaluate"):
        from train.evaluate import report
        from train.evaluate.run import evaluate as measure
        from train.evaluate.run import evaluate_swaps
    stages = load_cascade(runs, ALONE.device)
    data = open_shards(shards, split, stages[0].config.data)
    swaps = None
    if truth is not None:
        with _bar("swapping") as progress:
            swaps = evaluate_swaps(stages, data, truth, pairs, seed=seed, device=ALONE.device, progress=progress)
    with _bar("evaluating") as progress:
        result = measure(stages, data, pairs, seed=seed, device=ALONE.device, weights=weights, progress=progress)
    result.swaps = swaps
    for figure, why in result.left_out.items():
        click.echo(f"trainer: left out {figure}: {why}", err=True)
    how = provenance(stages, data, seed, Overrides())
    click.echo(json.dumps(report.as_json(result, how)) if as_object else report.as_text(result, stages, data))


@cli.command()
@RUNS
@click.option("--out", type=_FOLDER, required=True, help="Folder to make; has to be new or empty.")
@click.option("--shards", type=_FOLDER, default=None, help="Shards it was trained on, to be named on the model card.")
def export(runs: Path, out: Path, shards: Path | None) -> None:
    """Write the cascade's averaged weights, configuration and model card to one folder."""
    trained_on = ShardFolder(shards, "train").manifest if shards else None
    stages = load_cascade(runs, torch.device("cpu"))
    export_cascade(stages, out, trained_on)
    click.echo(f"{', '.join(stage.config.stage for stage in stages)} in {out}; {out / CARD} says how to use them")


def _chosen_pairs(
    data: ShardFolder, people: tuple[str, ...], garments: tuple[str, ...], file: Path | None, count: int | None
) -> list[Pair]:
    if file is not None:
        return pairs_from_file(data, file)
    if people or garments:
        return keyed_pairs(data, people, garments)
    return swapped_pairs(data, count or 8)


def _default_preset() -> Preset:
    return "small" if torch.cuda.is_available() else "nano"


def _held_out(shards: Path | str, configs: list[StageConfig]) -> ShardFolder | None:
    if not any(config.validation.every or config.validation.sheet_every for config in configs):
        return None
    try:
        return open_shards(shards, "val", configs[0].data)
    except UserError as error:
        raise UserError(f"{error}, or train without validation: --set validation.every=0") from error


def _warn(line: str) -> None:
    click.echo(f"trainer: {line}", err=True)


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether SIGINT or SIGTERM has come; a second SIGINT interrupts at once."""
    came: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _training_progress(world: World) -> Iterator[Callable[[Status], None]]:
    """Show step, loss, images/s and time left: a bar on a terminal, now and then a plain line elsewhere."""
    if not world.leads:
        yield lambda _status: None
        return
    with _bar("training", "{task.fields[told]}") as update:
        terminal = sys.stderr.isatty()
        last = 0.0

        def report(status: Status) -> None:
            nonlocal last
            told = (
                f"{status.stage} loss {status.loss:.4f} norm {status.grad_norm:.2f} lr {status.lr:.1e} "
                f"{status.images_per_second:.1f} images/s {status.tflops:.3g} TFLOP/s"
                + (f" (MFU {status.mfu:.0%})" if status.mfu is not None else "")
                + f" {status.memory_bytes / 2**30:.1f} GiB, data wait {status.data_wait:.0%}"
                + (f", loss scale {status.loss_scale:g}" if status.loss_scale is not None else "")
                + (f", {status.skipped} skipped" if status.skipped else "")
                + (f", {status.replaced} replaced" if status.replaced else "")
            )
            update(status.step, status.steps, told)
            if not terminal and (status.seconds - last > 15 or status.step in (1, status.steps)):
                last = status.seconds
                click.echo(f"{told} step {status.step}/{status.steps}, {status.seconds_left:.0f} s left", err=True)

        yield report


@contextmanager
def _bar(title: str, extra: str = "") -> Iterator[Callable[..., None]]:
    console = Console(stderr=True)
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TextColumn(extra), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None, told="")

        def update(done: int, total: int, told: str = "") -> None:
            bar.update(task, completed=done, total=total, told=told)

        yield update


def main() -> None:
    """Run `trainer`; whatever ends it is one line on stderr: exit code 2 for a user's mistake, 1 for a bug."""
    told = "run the same command again to resume from the last checkpoint"
    run_program("trainer", _run, interrupted=told, is_main=is_first())


def _run() -> None:
    try:
        cli.main(standalone_mode=False)
    except Elsewhere:
        sys.exit(2)
    except Diverged as error:
        _tell(f"trainer: {error}", err=True)
        sys.exit(1)
    except RuntimeError as error:
        if not lost_another(error):
            raise
        told = " ".join(str(error).split())[:200]
        raise UserError(
            f"an exchange with the other processes failed ({told}); if one of them has ended, its last line says why"
        ) from error


def _tell(message: str, err: bool = False) -> None:
    """Print what all processes of a training would say, once."""
    if is_first():
        click.echo(message, err=err)

"""The command `trainer evaluate`: metrics of a trained cascade."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click
from click.core import ParameterSource

from common.errors import UserError
from common.extras import needs
from common.options import FOLDER, Location, examples, options_of
from common.progress import progress_bar
from schemas import Split
from train.cli.choices.shared_options import CASCADE, CHECKPOINT, JSON, SEED, SPLIT
from train.data import open_shards
from train.data.data_config import DataConfig
from train.hardware.world import SINGLE_PROCESS
from train.inference.cascade import Overrides
from train.inference.sampling import provenance
from train.inference.sharing.opening_cascades import open_cascade
from train.runs.checkpoint_choice import CheckpointChoice


@dataclass(frozen=True)
class OthersImages:
    """Images of another system, and how they are compared."""

    images: Path | None
    photos: Path | None
    size: str | None
    unpaired: bool
    fid_resize: Literal["network", "clean"]

    def refuse_without_images(self) -> None:
        """Raise UserError if an option is given that is about --images alone."""
        for name, given in (
            ("--photos", self.photos), ("--size", self.size), ("--unpaired", self.unpaired),
            ("--fid-resize", _is_given("fid_resize")),
        ):  # fmt: skip
            if given:
                raise UserError(f"{name} is for --images; give that too, or leave {name} out")


_OTHERS = options_of(
    OthersImages,
    "others",
    click.option(
        "--images", type=FOLDER, default=None, metavar="DIR",
        help="Measure these images of another system, of any size, instead of a cascade's: named as their photograph "
        "or sample is, or beginning so up to an underscore.",
    ),
    click.option(
        "--photos", type=FOLDER, default=None, metavar="DIR",
        help="With --images: compare with these photographs, whole, instead of the crops of --shards.",
    ),
    click.option(
        "--size", default=None, metavar="WxH",
        help="With --images: size to compare at.  [default: 384x512 with --photos, else 256]",
    ),
    click.option(
        "--unpaired", is_flag=True, help="With --images: they show other garments than the photographs; FID, KID only."
    ),
    click.option(
        "--fid-resize", type=click.Choice(["network", "clean"]), default="network", show_default=True,
        help="With --images: how they come to Inception's size, by its own resize or as clean-fid does.",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class KnownAnswers:
    """What swaps are compared with, where their answer is known."""

    truth: Path | None
    retrieval: int | None


_KNOWN_ANSWERS = options_of(
    KnownAnswers,
    "answers",
    click.option(
        "--truth", type=FOLDER, default=None,
        help="Folder truth/ of drawn data: evaluate swaps against ground truth too.",
    ),
    click.option(
        "--retrieval", type=click.IntRange(min=2), default=None, metavar="K",
        help="How often is the worn garment recognised among K? Needs no ground truth; up to 2K - 1 images per person.",
    ),
)  # fmt: skip


@click.command(
    "evaluate",
    epilog=examples(
        "trainer evaluate --shards shards/ --pairs 64 --json",
        "trainer evaluate --shards shards/ --pairs 48 --retrieval 20",
    ),
)
@CASCADE
@CHECKPOINT
@click.option(
    "--shards", type=Location(), default=None, metavar="FOLDER|URL",
    help="Output of prep build-shards: a folder, or a URL such as s3://bucket/shards. Needed without --photos.",
)  # fmt: skip
@SPLIT
@click.option("--pairs", type=click.IntRange(min=1), default=64, show_default=True, help="How many people to dress.")
@click.option("--weights", type=FOLDER, default=None, help="Folder with the networks for LPIPS, FID and KID.")
@_KNOWN_ANSWERS
@_OTHERS
@SEED
@JSON
def evaluate(
    runs: Path,
    checkpoint: CheckpointChoice,
    shards: Path | str | None,
    split: Split,
    pairs: int,
    weights: Path | None,
    answers: KnownAnswers,
    others: OthersImages,
    seed: int,
    as_object: bool,
) -> None:
    """Measure PSNR, SSIM, LPIPS, FID and KID of sampled images.

    With --truth, swaps of drawn people are compared with their ground truth too. With --retrieval, people are dressed
    in their own garment and in others, and the nearest image to the photograph should be the one in their own. With
    --images, another system's results are measured in the same way.
    """
    with needs("evaluate"):
        from train.evaluation.evaluating import evaluate as measure
        from train.evaluation.evaluating import evaluate_swaps
        from train.evaluation.networks import SOURCES
        from train.evaluation.retrieval import evaluate_retrieval
        from train.evaluation.tables import table
    if weights is not None and not weights.is_dir():
        raise UserError(f"--weights {weights}: no such folder; give the one with {' and '.join(SOURCES)}")
    if others.images is not None:
        _refuse_options_of_a_cascade(others)
        _evaluate_images(others, others.images, shards, split, weights, seed, as_object)
        return
    others.refuse_without_images()
    stages = open_cascade(runs, SINGLE_PROCESS.device, checkpoint=checkpoint)
    data = open_shards(_needed(shards), split, stages[0].config.data)
    device = SINGLE_PROCESS.device
    recognised = None
    if answers.retrieval is not None:
        with progress_bar("retrieving") as progress:
            recognised = evaluate_retrieval(
                stages, data, pairs, answers.retrieval, seed=seed, device=device, weights=weights, progress=progress
            )
    swaps = None
    if answers.truth is not None:
        with progress_bar("swapping") as progress:
            swaps = evaluate_swaps(stages, data, answers.truth, pairs, seed=seed, device=device, progress=progress)
    with progress_bar("evaluating") as progress:
        result = measure(stages, data, pairs, seed=seed, device=device, weights=weights, progress=progress)
    result.swaps, result.retrieval = swaps, recognised
    _notices(result.left_out, result.warnings)
    how = provenance(stages, data, seed, Overrides())
    click.echo(json.dumps(table.as_json(result, how)) if as_object else table.as_text(result, stages, data))


def _evaluate_images(
    others: OthersImages,
    images: Path,
    shards: Path | str | None,
    split: Split,
    weights: Path | None,
    seed: int,
    as_object: bool,
) -> None:
    from train.evaluation.others.comparisons import Comparisons, WithPhotographs, WithShards, parse_size
    from train.evaluation.others.measuring import as_json, as_text, measure_images

    size = parse_size(others.size, square=others.photos is None)
    comparisons: Comparisons
    if others.photos is not None:
        comparisons = WithPhotographs(images, others.photos, size, paired=not others.unpaired)
    else:
        data = open_shards(_needed(shards), split, DataConfig())
        comparisons = WithShards(images, data, size[0], paired=not others.unpaired)
    with progress_bar("comparing") as progress:
        result = measure_images(comparisons, weights, others.fid_resize, seed, progress)
    _notices(result.left_out, result.warnings)
    click.echo(json.dumps(as_json(result)) if as_object else as_text(result))


def _refuse_options_of_a_cascade(others: OthersImages) -> None:
    """Raise UserError if an option is given that --images would ignore."""
    ignored = {"runs", "checkpoint", "pairs", "truth", "retrieval"} | ({"shards", "split"} if others.photos else set())
    for option in click.get_current_context().command.params:
        if option.name in ignored and _is_given(option.name):
            other = "--photos" if option.name in {"shards", "split"} else "--images"
            raise UserError(f"{option.opts[0]} cannot be combined with {other}; leave one of them out")


def _is_given(option: str) -> bool:
    return click.get_current_context().get_parameter_source(option) == ParameterSource.COMMANDLINE


def _needed(shards: Path | str | None) -> Path | str:
    if shards is None:
        raise UserError("--shards is missing; give the output of prep build-shards, or --images with --photos")
    return shards


def _notices(left_out: Mapping[str, str], warnings: Sequence[str]) -> None:
    for figure, why in left_out.items():
        click.echo(f"trainer: {figure} skipped: {why}", err=True)
    for warning in warnings:
        click.echo(f"trainer: {warning}", err=True)

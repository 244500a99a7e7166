"""The command `trainer evaluate`: metrics of a trained cascade."""

from __future__ import annotations

import json
from pathlib import Path

import click

from common.extras import needs
from common.options import FOLDER, examples
from common.progress import progress_bar
from schemas import Split
from train.cli.options import CASCADE, CHECKPOINT, JSON, SEED, SHARDS, SPLIT
from train.data import open_shards
from train.hardware.world import SINGLE_PROCESS
from train.inference.cascade import Overrides
from train.inference.sampling import provenance
from train.inference.sharing.opening_cascades import open_cascade
from train.runs.checkpoint_choice import CheckpointChoice


@click.command(
    "evaluate",
    epilog=examples(
        "trainer evaluate --shards shards/ --pairs 64 --json",
        "trainer evaluate --shards shards/ --pairs 48 --retrieval 20",
    ),
)
@CASCADE
@CHECKPOINT
@SHARDS
@SPLIT
@click.option("--pairs", type=click.IntRange(min=1), default=64, show_default=True, help="How many people to dress.")
@click.option("--weights", type=FOLDER, default=None, help="Folder with the networks for LPIPS, FID and KID.")
@click.option(
    "--truth", type=FOLDER, default=None, help="Folder truth/ of drawn data: evaluate swaps against ground truth too."
)
@click.option(
    "--retrieval",
    type=click.IntRange(min=2),
    default=None,
    metavar="K",
    help="How often is the worn garment recognised among K? Needs no ground truth; up to 2K - 1 images per person.",
)
@SEED
@JSON
def evaluate(
    runs: Path,
    checkpoint: CheckpointChoice,
    shards: Path | str,
    split: Split,
    pairs: int,
    weights: Path | None,
    truth: Path | None,
    retrieval: int | None,
    seed: int,
    as_object: bool,
) -> None:
    """Measure PSNR, SSIM, LPIPS, FID and KID of sampled images.

    With --truth, swaps of drawn people are compared with their ground truth too. With --retrieval, people are dressed
    in their own garment and in others, and the nearest image to the photograph should be the one in their own.
    """
    with needs("evaluate"):
        from train.evaluation.evaluating import evaluate as measure
        from train.evaluation.evaluating import evaluate_swaps
        from train.evaluation.retrieval import evaluate_retrieval
        from train.evaluation.tables import table
    stages = open_cascade(runs, SINGLE_PROCESS.device, checkpoint=checkpoint)
    data = open_shards(shards, split, stages[0].config.data)
    device = SINGLE_PROCESS.device
    recognised = None
    if retrieval is not None:
        with progress_bar("retrieving") as progress:
            recognised = evaluate_retrieval(
                stages, data, pairs, retrieval, seed=seed, device=device, weights=weights, progress=progress
            )
    swaps = None
    if truth is not None:
        with progress_bar("swapping") as progress:
            swaps = evaluate_swaps(stages, data, truth, pairs, seed=seed, device=device, progress=progress)
    with progress_bar("evaluating") as progress:
        result = measure(stages, data, pairs, seed=seed, device=device, weights=weights, progress=progress)
    result.swaps, result.retrieval = swaps, recognised
    for figure, why in result.left_out.items():
        click.echo(f"trainer: {figure} skipped: {why}", err=True)
    how = provenance(stages, data, seed, Overrides())
    click.echo(json.dumps(table.as_json(result, how)) if as_object else table.as_text(result, stages, data))

"""The command `prep sample-data`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from common.errors import UserError, writing
from common.options import FOLDER, SEED_RANGE, examples
from common.progress import progress_bar
from common.text import counted
from preprocess.cli.options import WORKERS
from preprocess.synthetic.dataset_writer import write_dataset
from preprocess.synthetic.outfits import VARIETIES, Variety
from preprocess.synthetic.output import DrawnDataError
from preprocess.synthetic.swap_truth import FOLDER as TRUTH_FOLDER
from preprocess.workers import cores


@click.command("sample-data", epilog=examples("prep sample-data --out drawn/ --looks 8"))
@click.option("--out", type=FOLDER, required=True, help="Folder for the dataset.")
@click.option(
    "--looks",
    type=click.IntRange(min=2),
    default=200,
    show_default=True,
    help="Number of looks (a person in an outfit) to draw.",
)
@click.option(
    "--seed",
    type=SEED_RANGE,
    default=0,
    show_default=True,
    help="Random seed; the same seed gives the same dataset.",
)
@click.option(
    "--truth", type=click.IntRange(min=0), default=0, show_default=True,
    help="Validation looks to draw in 20 other garments too: ground truth in OUT/truth for trainer evaluate.",
)  # fmt: skip
@click.option(
    "--variety", type=click.Choice(VARIETIES), default="easy", show_default=True,
    help="varied: harder, as photographs are: fits, folds, poses, light, cameras; landmarks from outlines.",
)  # fmt: skip
@WORKERS
def sample_data(out: Path, looks: int, seed: int, truth: int, variety: Variety, workers: int | None) -> None:
    """Draw synthetic people and garments in the layout of AI-Hub 78, to try the project without its data."""
    started = time.monotonic()
    try:
        with progress_bar("drawing") as progress, writing(f"--out {out}"):
            summary = write_dataset(
                out,
                looks=looks,
                seed=seed,
                truth=truth,
                variety=variety,
                workers=workers or cores(),
                progress=progress,
            )
    except DrawnDataError as error:
        raise UserError(str(error)) from error
    click.echo(
        f"{counted(summary.looks, 'look')} ({summary.validation_looks} for validation), "
        f"{counted(summary.items, 'garment')}, "
        f"{summary.model_images + summary.item_images} images in {out} ({time.monotonic() - started:.0f} s)"
    )
    if truth:
        fewest, most = summary.garments_each
        click.echo(
            f"truth in {out / TRUTH_FOLDER}: {summary.truth_looks} of {truth} looks, "
            f"{counted(fewest, 'garment') if fewest == most else f'{fewest} to {most} garments'} in place of each of "
            f"theirs, {counted(summary.swaps, 'image')}"
        )

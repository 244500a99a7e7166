"""The command `trainer try-on`: two photographs in, the first one out, in another garment."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from common.options import FILE, FOLDER, examples
from common.progress import progress_bar
from schemas import Garment
from train.cli.options import RUNS, SEED, WEIGHTS
from train.data import open_shards
from train.hardware.world import SINGLE_PROCESS
from train.inference.cascade import Overrides, load_cascade
from train.inference.pasting.whole import from_file
from train.inference.photographs import PrepError, TryOnRequest, build_shards_for
from train.inference.sampling import PHOTOGRAPHS, Pair, sample_pairs


@click.command("try-on", epilog=examples("trainer try-on --person me.jpg --garment shirt.jpg --weights weights/"))
@click.option("--person", type=FILE, required=True, help="Photograph of a person.")
@click.option("--garment", type=FILE, required=True, help="Photograph of a garment.")
@click.option(
    "--kind",
    type=click.Choice(["upper", "lower", "dress"]),
    default="upper",
    show_default=True,
    help="Kind of garment.",
)
@RUNS
@click.option("--out", type=FOLDER, default=Path("try-on"), show_default=True, help="Folder for the images.")
@WEIGHTS
@SEED
def try_on(
    person: Path, garment: Path, kind: Garment, runs: Path, out: Path, weights: tuple[Path, ...], seed: int
) -> None:
    """Dress the person in one photograph in the garment of another.

    Writes the photograph, of which only what the garment may cover is replaced, and the network's square image.
    Needs the estimators: pip install 'tryon-cascade[estimate]'.
    """
    stages = load_cascade(runs, SINGLE_PROCESS.device)
    try:
        shards = build_shards_for(TryOnRequest(person, garment, kind, weights), out)
    except PrepError as error:
        click.echo(f"trainer: {error}; see above and {out}", err=True)
        sys.exit(error.code)
    data = open_shards(shards, "val", stages[0].config.data)
    with progress_bar("sampling") as progress:
        sheet = sample_pairs(
            stages, data, [Pair(0, 0)], out,
            seed=seed, overrides=Overrides(), device=SINGLE_PROCESS.device, progress=progress,
            photographs=from_file(person),
        )  # fmt: skip
    name = f"{data.keys[0]}__{data.keys[0]}.png"
    click.echo(f"photograph: {out / PHOTOGRAPHS / name}")
    click.echo(f"image of {stages[-1].config.size}²: {out / name}")
    click.echo(f"contact sheet: {sheet}")

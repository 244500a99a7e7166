"""The command `trainer ema`: EMA weights of another length, chosen after training."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from common.options import FOLDER, examples
from train.cli.choices.shared_options import RUNS
from train.configuration.stage_config import STAGES, Stage
from train.inference.exporting import export_cascade
from train.inference.sharing.post_hoc import reconstruct


@click.command("ema", epilog=examples("trainer ema --runs runs-averaged/ --length 0.1 --out cascade-0.10/"))
@RUNS
@click.option("--length", type=float, required=True, help="Length of the average as a share of the training, e.g. 0.1.")
@click.option("--step", type=click.IntRange(min=1), default=None, help="Step to average up to.  [default: the last]")
@click.option(
    "--stage", type=click.Choice(["all", *STAGES]), default="all", show_default=True, help="Stage to average."
)
@click.option("--out", type=FOLDER, required=True, help="Folder to create, as trainer export writes it.")
def ema(runs: Path, length: float, step: int | None, stage: Stage | Literal["all"], out: Path) -> None:
    """Write EMA weights of another length, chosen after training (post-hoc EMA).

    Needs runs trained with averages.lengths, which stores snapshots. The folder written is an export, which trainer
    sample, evaluate and demo open by --runs: compare a few lengths by trainer evaluate.
    """
    found = reconstruct(runs, length, step, None if stage == "all" else stage)
    export_cascade([one.stage for one in found], out, None)
    for one in found:
        click.echo(
            f"{one.stage.config.stage}: length {length:g} up to step {one.stage.step}, of {one.snapshots} snapshots, "
            f"largest coefficient {one.largest:.2g}"
        )
    click.echo(f"{out}: open it by --runs {out}")

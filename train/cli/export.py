"""The command `trainer export`: a trained cascade as one folder."""

from __future__ import annotations

from pathlib import Path

import click
import torch

from common.options import FOLDER, examples
from train.cli.options import CASCADE, CHECKPOINT
from train.data import ShardFolder
from train.inference.exporting import CARD, export_cascade
from train.inference.sharing.opening_cascades import open_cascade
from train.runs.checkpoint_choice import CheckpointChoice


@click.command("export", epilog=examples("trainer export --runs runs/ --out cascade/"))
@CASCADE
@CHECKPOINT
@click.option("--out", type=FOLDER, required=True, help="Folder to create; must be new or empty.")
@click.option("--shards", type=FOLDER, default=None, help="Shards it was trained on, for the model card.")
def export(runs: Path, checkpoint: CheckpointChoice, out: Path, shards: Path | None) -> None:
    """Write the cascade's EMA weights, configuration and model card to one folder."""
    trained_on = ShardFolder(shards, "train").manifest if shards else None
    stages = open_cascade(runs, torch.device("cpu"), checkpoint=checkpoint)
    export_cascade(stages, out, trained_on)
    click.echo(f"{', '.join(stage.config.stage for stage in stages)} in {out}; see {out / CARD} for how to use them")

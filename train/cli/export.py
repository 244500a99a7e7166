"""The command `trainer export`: a trained cascade as one folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click
import torch

from common.errors import UserError
from common.options import FOLDER, examples
from train.cli.choices.shared_options import CASCADE, CHECKPOINT
from train.data import ShardFolder
from train.inference.exporting import CARD, Format, export_cascade
from train.inference.sharing.card_samples import sample_images
from train.inference.sharing.opening_cascades import open_cascade
from train.runs.checkpoint_choice import CheckpointChoice

_NOT_OFFERED = {
    "onnx": "agreed with the network on random inputs, but its images differed by up to 231 of 255 levels; use "
    "torch.export",
    "diffusers": "has no class for these networks, so a folder in its layout would need this project's code all the "
    "same; use safetensors",
}
"""Formats that people look for, and why there is none."""


if TYPE_CHECKING:
    _FormatChoice = click.Choice[Format]
else:  # generic only since click 8.2
    _FormatChoice = click.Choice


class _Formats(_FormatChoice):
    """The formats of an export; for those that are not offered, the reason."""

    def convert(self, value: Format, param: click.Parameter | None, ctx: click.Context | None) -> Format:
        """Return the format. Fail for others."""
        if why := _NOT_OFFERED.get(str(value).lower()):
            self.fail(f"{value} is not offered: it {why}", param, ctx)
        return super().convert(value, param, ctx)


@click.command(
    "export",
    epilog=examples(
        "trainer export --runs runs/ --out cascade/",
        "trainer export --runs runs/ --out hub/ --shards shards/ --samples 2",
    ),
)
@CASCADE
@CHECKPOINT
@click.option("--out", type=FOLDER, required=True, help="Folder to create; must be new or empty.")
@click.option("--shards", type=FOLDER, default=None, help="Shards it was trained on, for the model card.")
@click.option(
    "--format", "kind", type=_Formats(get_args(Format)), default="safetensors",
    show_default=True, help="Weights for this project's networks, or graphs of them that need no class of it.",
)  # fmt: skip
@click.option(
    "--samples", type=click.IntRange(min=0), default=0, show_default=True,
    help="Dress this many people of --shards, and show the images in the card.",
)  # fmt: skip
def export(
    runs: Path, checkpoint: CheckpointChoice, out: Path, shards: Path | None, kind: Format, samples: int
) -> None:
    """Write the cascade's EMA weights, configuration and model card to one folder, ready for a model hub.

    All commands that take --runs open the folder, in any --format.
    """
    if samples and shards is None:
        raise UserError("--samples: give the shards whose people to dress, by --shards")
    trained_on = ShardFolder(shards, "train").manifest if shards else None
    stages = open_cascade(runs, torch.device("cpu"), checkpoint=checkpoint)
    images = sample_images(stages, shards, samples) if shards and samples else {}
    export_cascade(stages, out, trained_on, kind, images)
    click.echo(f"{', '.join(stage.config.stage for stage in stages)} in {out}; see {out / CARD} for how to use them")

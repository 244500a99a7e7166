"""The command `trainer demo`: a web page for trying out a cascade."""

from __future__ import annotations

import threading
from pathlib import Path

import click

from common.errors import UserError
from common.extras import needs
from common.options import FOLDER, examples
from train.cli.choices.shared_options import (
    ANNOTATE,
    CASCADE,
    CHECKPOINT,
    FAST,
    HOST,
    LABELS,
    SOURCE,
    WEIGHTS,
    port_option,
)
from train.data import ShardFolder, open_shards
from train.data.data_config import DataConfig
from train.hardware.world import SINGLE_PROCESS
from train.inference.cascade import Overrides
from train.inference.pasting.source_images import source_of
from train.inference.pasting.whole import find_original
from train.inference.sharing.opening_cascades import open_cascade
from train.runs.checkpoint_choice import CheckpointChoice


@click.command("demo", epilog=examples("trainer demo --runs runs/ --shards shards/ --src aihub/"))
@CASCADE
@CHECKPOINT
@click.option(
    "--shards", type=FOLDER, default=Path("shards"), show_default=True,
    help="Shards with the people and garments to choose from.",
)  # fmt: skip
@SOURCE
@LABELS
@WEIGHTS
@ANNOTATE
@FAST
@HOST
@port_option(8000)
def demo_command(
    runs: Path,
    checkpoint: CheckpointChoice,
    shards: Path,
    src: Path | None,
    labels: Path | None,
    weights: tuple[Path, ...],
    annotate: tuple[str, ...],
    fast: bool,
    host: str,
    port: int,
) -> None:
    """Serve a web page for trying out a trained cascade.

    Choose a person and a garment, or upload photographs of them, and see the result: the network's image, and the
    whole photograph if it was uploaded, or is in --src.
    """
    with needs("train,demo"):
        from train.serving import AppState, Dressing, Jobs, UploadedPhotographs, make_app, open_socket, read_catalogue
        from train.serving.running import run_until_stopped
    listening = open_socket(host, port)  # before the cascade is loaded, so that a port in use is reported at once
    stages = open_cascade(runs, SINGLE_PROCESS.device, checkpoint=checkpoint)
    catalogue = read_catalogue(_open(shards, stages[0].config.data))
    source = source_of(src, labels)
    if source:
        find_original(source, catalogue.shards, next(iter(catalogue.offered.values())).person[0].position)
    photographs = UploadedPhotographs(weights, annotate)
    jobs = Jobs()
    dressing = Dressing(stages, catalogue, photographs, Overrides(fast=fast), SINGLE_PROCESS.device, source)
    app = make_app(AppState(jobs, dressing), host)
    threading.Thread(target=photographs.check, args=(catalogue,), daemon=True).start()
    run_until_stopped(app, listening, host, "", jobs, photographs.close)


def _open(shards: Path, settings: DataConfig) -> ShardFolder:
    """Open the validation split, which was held out of training, or the training split if there is none."""
    try:
        return open_shards(shards, "val", settings)
    except UserError:
        return open_shards(shards, "train", settings)

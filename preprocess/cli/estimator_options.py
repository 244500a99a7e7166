"""Options by which `prep annotate` chooses its estimators, and how they are loaded."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import click

from common.options import options_of
from common.progress import notice, progress_bar
from preprocess.annotation.estimators.choice import Need, Wanted, choose, lacking_weights
from preprocess.annotation.estimators.protocols import Estimators
from preprocess.annotation.fetching.catalogue import BY_NAME
from preprocess.annotation.fetching.download import download
from preprocess.annotation.fetching.known_weights import weights_folder
from preprocess.cli.label_table import given_table
from preprocess.label_tables import Pixelwise, TableName


@dataclass(frozen=True)
class EstimatorOptions:
    """Which estimators are used, with which weights."""

    pose: str | None
    parser: str | None
    labels: str
    weights: tuple[Path, ...]
    fetch: bool

    @property
    def table(self) -> Pixelwise | None:
        """The table of --labels, None for `auto`. Raise UserError."""
        return given_table(self.labels, "viton-hd")

    def load(self, needs: Collection[Need]) -> Estimators:
        """Choose the estimators for what a run needs, and say on stderr which; with --fetch, fetch what is missing.

        Raise UserError.
        """
        wanted = Wanted(self.pose, self.parser, self.table, self.weights)
        if self.fetch:
            for name in lacking_weights(wanted, needs):
                fetch_weights(name, weights_folder())
        choice = choose(wanted, needs)
        notice("prep", choice.line)
        return choice.estimators


ESTIMATORS = options_of(
    EstimatorOptions,
    "estimators",
    click.option(
        "--pose", metavar="mediapipe|yolo|FILE",
        help="Estimator of poses; FILE: .onnx, .task or .pt.  [default: what is installed]",
    ),
    click.option(
        "--parser", metavar="rembg|fashn|outline|FILE",
        help="Estimator of people's regions; FILE: .onnx, with --labels.  [default: what is installed]",
    ),
    click.option(
        "--labels", default="auto", show_default=True, metavar="|".join(["auto", *get_args(TableName), "FILE"]),
        help="Label table of --parser FILE, and of label maps beside the photographs; auto: inferred from the poses.",
    ),
    click.option(
        "--weights", type=click.Path(path_type=Path), multiple=True, metavar="FILE|FOLDER",
        help="Weights of the estimators; repeatable.  [default: the folders of prep weights and of rembg]",
    ),
    click.option("--fetch", is_flag=True, help="Download weights that are missing; see prep weights list."),
)  # fmt: skip


def fetch_weights(name: str, folder: Path, mirror: str = "") -> list[Path]:
    """Fetch the weights of a name in the catalogue, saying their licence; return their files. Raise UserError."""
    weights = BY_NAME[name]
    notice("prep", f"{name}: {weights.licence}")
    paths = []
    for file in weights.files:
        with progress_bar(Path(file.name).name) as progress:
            path, checked = download(file, folder, progress, mirror)
        if not checked:
            notice("prep", f"{path}: fetched, but neither prep nor the server has its checksum")
        paths.append(path)
    return paths

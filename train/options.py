"""Options that several commands of `trainer` have."""

from __future__ import annotations

from pathlib import Path

import click

RUNS = click.option(
    "--runs", type=click.Path(file_okay=False, path_type=Path), default=Path("runs"), show_default=True,
    help="Folder of the run folders.",
)  # fmt: skip
WEIGHTS = click.option(
    "--weights", type=click.Path(path_type=Path), multiple=True, metavar="FILE|FOLDER",
    help="Weights of prep's estimators; repeatable.",
)  # fmt: skip
FAST = click.option("--fast", is_flag=True, help="At most 25 steps a stage, of dpmpp_2m.")

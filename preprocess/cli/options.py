"""Options shared by several commands of `prep`."""

from __future__ import annotations

from typing import get_args

import click

from common.options import Location
from schemas import Source

SHARDS = click.option("--shards", type=Location(), required=True, help="Output of prep build-shards: a folder or URL.")
SOURCE = click.option(
    "--source", type=click.Choice(["auto", *get_args(Source)]), default="auto", show_default=True,
    help="Kind of dataset; auto: recognise it.",
)  # fmt: skip
WORKERS = click.option(
    "--workers", type=click.IntRange(min=1), default=None, help="Worker processes.  [default: one per core]"
)

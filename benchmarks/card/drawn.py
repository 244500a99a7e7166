"""Shards of drawn people, built by prep's own functions, for the cells that read data."""

from __future__ import annotations

import os
from pathlib import Path

from preprocess.planning.pairing import records
from preprocess.planning.plan import make_plan
from preprocess.sharding import build
from preprocess.sources import Files
from preprocess.sources.aihub import open_aihub
from preprocess.synthetic.dataset_writer import write_dataset
from schemas import Configuration

CONFIGURATION = Configuration(
    source="aihub", garment="upper", pairing="item", views="matching", linings=False, target_size=1024,
    conditioning_size=256, jpeg_quality=95,
)  # fmt: skip
"""The defaults of `prep build-shards`."""


def drawn_shards(folder: Path, looks: int, workers: int | None = None) -> Path:
    """Draw looks into ``folder``/aihub and build ``folder``/shards; existing ones are kept.

    ``workers`` are processes; None: one per core.
    """
    workers = workers or os.cpu_count() or 1
    write_dataset(folder / "aihub", looks=looks, seed=0, workers=workers)
    files = Files(folder / "aihub")
    planned = make_plan(files, list(records(open_aihub(files), "upper")), CONFIGURATION)
    build(files, folder / "shards", planned, workers, lambda done, total: None)
    return folder / "shards"

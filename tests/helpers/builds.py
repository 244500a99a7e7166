"""Builds of shards: in this process's name, and as a script for processes that are to be killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from preprocess.planning.plan import PlannedRecords
from preprocess.sharding import Summary, build
from preprocess.sources import Files

SCRIPT = """
import sys
from pathlib import Path
import preprocess.planning.plan
from preprocess.sharding import Node, build
from preprocess.sources import Files
from preprocess.sources.aihub import open_aihub
from preprocess.planning.pairing import records
from schemas import Configuration

def main():
    preprocess.planning.plan._SMALLEST_SHARD = 2
    files = Files(Path(sys.argv[1]))
    configuration = Configuration.model_validate_json(sys.argv[3])
    planned = preprocess.planning.plan.make_plan(files, list(records(open_aihub(files), "upper")), configuration)
    workers, node = int(sys.argv[4]), Node(int(sys.argv[5]), int(sys.argv[6]))
    summary = build(files, Path(sys.argv[2]), planned, workers, lambda done, total: print(done, flush=True), node=node)
    print("missing", summary.shards_missing)

if __name__ == "__main__":
    main()
"""
"""Takes the data set, the folder for shards, the configuration as JSON, workers, node and number of nodes; prints how
many records are done, and at the end how many shards are missing."""


def run(
    root: Path,
    out: Path | str,
    planned: PlannedRecords,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
    **options: Any,
) -> Summary:
    """Build the planned shards of the data set in ``root``."""
    return build(Files(root), out, planned, workers, progress, **options)

"""Measures planning for all machines: `--plan-only` of tables of drawn rows, and what `--from-plan` reads of it.

    python benchmarks/planning.py --rows 1000 10000 100000

The rows name files by URLs, which are known to a plan by their names alone: no file is read and none is compared, so
the figures are those of listing, dividing, hashing, writing and reading plans. Seconds are of this process's processor
time, which a busy machine changes little; peak memory is that of a fresh process for each number of rows.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common.storage import open_storage
from preprocess.cli.choices.table_options import TableChoice
from preprocess.planning.datasets import open_dataset
from preprocess.planning.plan import make_plan
from preprocess.planning.splits import find_near_duplicates, keep_together
from preprocess.sharding import Node
from preprocess.sharding.stored_plan import load_plan, store_plan
from schemas import CONDITIONING_SIZE, Configuration

NODES = 100
STEPS = ("list", "splits", "plan", "write", "read")


def main() -> None:
    """Print a row of the table for each number of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one)))
        return
    print("| rows | list, s | splits, s | plan, s | write, s | ms a row | peak MiB | one of 100 reads, s |")
    print("|---" * 8 + "|")
    for rows in options.rows:
        done = subprocess.run(
            [sys.executable, __file__, "--one", str(rows)], check=True, capture_output=True, text=True
        )
        found = json.loads(done.stdout)
        planning = sum(found[step] for step in STEPS[:4])
        times = " | ".join(f"{found[step]:.2f}" for step in STEPS[:4])
        print(
            f"| {rows:,} | {times} | {1000 * planning / rows:.3f} | {found['peak']:.0f} | {found['read']:.2f} |",
            flush=True,
        )


def measured(rows: int) -> dict[str, float]:
    """Plan a table of so many rows; return the seconds of each step and the peak memory in MiB."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_table(folder / "pairs.csv", rows)
        seconds: dict[str, float] = {}
        started = time.process_time()

        def lap(step: str) -> None:
            nonlocal started
            seconds[step] = time.process_time() - started
            started = time.process_time()

        files = TableChoice(None, False, None, (str(folder / "pairs.csv"),), (), (), None).open("auto", absolute=False)
        records = list(open_dataset(files, "table").records("all", "item", "matching"))
        lap("list")
        found = find_near_duplicates(files, records, 1, lambda done, total: None)
        kept = keep_together(files, records, found)
        lap("splits")
        configuration = Configuration(
            source="table", garment="all", pairing="item", views="matching", linings=False,
            conditioning_size=CONDITIONING_SIZE, target_size=1024, jpeg_quality=95,
        )  # fmt: skip
        planned = make_plan(files, kept, configuration, found)
        lap("plan")
        out = open_storage(folder / "out", "--out")
        store_plan(out, planned)
        lap("write")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        load_plan(out, Node(0, NODES))
        lap("read")
        return {**seconds, "peak": peak}


def write_table(path: Path, rows: int) -> None:
    """Write rows of different people and garments, with all labels."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["person", "garment", "pose", "parse", "mask", "category"])
        for number in range(rows):
            base = "https://store.example/set"
            names = ("people", "jpg"), ("garments", "jpg"), ("poses", "json"), ("parses", "png"), ("masks", "png")
            table.writerow([*(f"{base}/{kind}/{number:08d}.{ending}" for kind, ending in names), "shirt"])


if __name__ == "__main__":
    main()

"""Memory of `prep build-shards` by the number of records: peak of the main process and of each worker.

    python benchmarks/prep_memory.py [--records 1000 50000] [--workers N] [--seconds S]

A few drawn looks, images included, are repeated under many names by hard links. The main process holds the whole plan,
a worker one shard at a time; so a build that is stopped after ``--seconds`` has reached its peak if some shards are
finished. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from inspect_speed import descendants, repeat, resident

from preprocess.synthetic.dataset_writer import write_dataset

FRAMES_PER_RECORD = 4 / 2.4
"""Of a look's four frames, front and back each give a record if the garment is an upper one."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs="+", default=[1000, 50_000])
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=None, help="Stop each build after this many seconds.")
    parser.add_argument("--folder", type=Path, default=None, help="Working folder; needs 0.3 MB per record.")
    given = parser.parse_args()
    print("| records | built | s | main process, MiB | each worker, MiB |\n|---|---|---|---|---|", flush=True)
    for records in given.records:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            drawn, tree, out = Path(folder, "drawn"), Path(folder, "tree"), Path(folder, "shards")
            write_dataset(drawn, looks=24, seed=0, workers=given.workers)
            tree.mkdir()
            repeat(drawn, tree, round(records * FRAMES_PER_RECORD), pictures=True)
            seconds, main_peak, workers = build(tree, out, given.workers, given.seconds)
            shards = json.loads((out / "plan.json").read_text())["shards"]
            built = sum(one["records"] for one in shards if (out / one["name"]).exists())
            peaks_in_mib = ", ".join(f"{peak / 2**20:.0f}" for peak in workers)
            planned = sum(one["records"] for one in shards)
            print(f"| {planned} | {built} | {seconds:.0f} | {main_peak / 2**20:.0f} | {peaks_in_mib} |", flush=True)


def build(src: Path, out: Path, workers: int, limit: float | None) -> tuple[float, int, list[int]]:
    """Return the seconds, and the peaks of resident memory of the main process and of the largest workers."""
    command = [sys.executable, "-m", "preprocess", "build-shards", "--src", str(src), "--out", str(out)]
    started = time.perf_counter()
    process = subprocess.Popen([*command, "--workers", str(workers)], stdout=subprocess.DEVNULL)
    peaks: dict[int, int] = {}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            for pid in (process.pid, *descendants(process.pid)):
                peaks[pid] = max(peaks.get(pid, 0), resident(pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        code = process.wait(limit)
    except subprocess.TimeoutExpired:
        process.terminate()  # a shell may have made its background processes ignore SIGINT
        code = process.wait()
    done.set()
    thread.join()
    assert code in (0, -signal.SIGTERM), f"prep build-shards ended with {code}"
    main_peak = peaks.pop(process.pid)
    return time.perf_counter() - started, main_peak, sorted(peaks.values(), reverse=True)[:workers]


if __name__ == "__main__":
    main()

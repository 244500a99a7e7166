"""Speed and memory of `prep inspect` and of planning: 110,000 frames by default.

Draws a few looks, and repeats their label files under ``--frames`` names, by hard links in a temporary folder; images
are empty files. The links keep the labels in the page cache, so only processor time is measured; reading 300,000 small
files from a cold disk comes on top.

    python benchmarks/inspect_speed.py [--frames 110000] [--workers N]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from preprocess.inspection.dataset.overview import Report, inspect
from preprocess.planning.pairing import records
from preprocess.planning.plan import make_plan
from preprocess.sources import Files
from preprocess.sources.aihub import open_aihub
from preprocess.synthetic.dataset_writer import write_dataset
from schemas import CONDITIONING_SIZE, TARGET_SIZE, Configuration

DRAWN_LOOKS = 24
ITEMS_PER_FRAME = 35_636 / 109_800
LEAVES = ("Model-Image", "Model-Pose", "Model-Parse", "Item-Image", "Item-Pose", "Item-Parse")
LABELS = "01.데이터/1.Training/라벨링데이터_230515_add/2021_Fashion_train_labels_v230428"
CONFIGURATION = Configuration(
    source="aihub", garment="upper", pairing="item", views="matching", linings=False,
    target_size=TARGET_SIZE, conditioning_size=CONDITIONING_SIZE, jpeg_quality=95,
)  # fmt: skip
T = TypeVar("T")


def repeat(source: Path, out: Path, frames: int, *, pictures: bool = False) -> int:
    """Write a tree of so many frames below ``out``; return the number of label files. Pictures are empty by default."""
    drawn = {leaf: sorted(path for path in source.rglob(f"{leaf}/*") if "Training" in str(path)) for leaf in LEAVES}
    links, empty = Links(out), out / "empty.jpg"
    empty.touch()
    looks = [f"{1001 + n // 26_000:04d}_{chr(65 + n // 1000 % 26)}{n % 1000:03d}" for n in range(-(-frames // 4))]
    people = [f"{look}_{frame}" for look in looks for frame in ("000", "044", "088", "132")][:frames]
    items = [f"{1001000 + n}" for n in range(max(1, round(frames * ITEMS_PER_FRAME / 2)))]
    products = [f"{item}_{side}" for item in items for side in "FB"]
    for leaf, examples in drawn.items():
        folder = out / LABELS / leaf
        folder.mkdir(parents=True)
        for n, stem in enumerate(people if leaf.startswith("Model") else products):
            like = next_like(examples, stem, n)
            links.make(like if pictures or not leaf.endswith("Image") else empty, folder / f"{stem}{like.suffix}")
    rows = [{"wearing": f"{look}_000.jpg", "main_top": items[n % len(items)]} for n, look in enumerate(looks)]
    (out / LABELS / "winfo_train.json").write_text(json.dumps(rows), encoding="utf-8")
    return 2 * (len(people) + len(products))


def next_like(examples: list[Path], stem: str, n: int) -> Path:
    """Return a drawn file of the same frame or side, so that views and names fit."""
    ending = stem.rpartition("_")[2]
    fitting = [path for path in examples if path.stem.endswith(f"_{ending}")]
    return fitting[n % len(fitting)]


class Links:
    """Hard links; a file has no more than some ten thousand names, so the sources are copied now and then."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._made = 0

    def make(self, source: Path, target: Path) -> None:
        copy = self._out / f"{source.parent.name}-{source.name}.{self._made // 20_000}"
        if not copy.exists():
            copy.write_bytes(source.read_bytes())
        os.link(copy, target)
        self._made += 1


class PeakMemory:
    """Resident memory of this process and all below it, sampled; pages that they share count in each."""

    def __init__(self) -> None:
        self.peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            self.peak = max(self.peak, sum(resident(pid) for pid in (os.getpid(), *descendants(os.getpid()))))


def descendants(pid: int) -> Iterator[int]:
    """Yield the processes that one started, and those that they did."""
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in path.read_text().split():
                yield int(child)
                yield from descendants(int(child))


def resident(pid: int) -> int:
    """Return a process's resident memory in bytes, 0 once it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def timed(what: Callable[[], T]) -> tuple[T, float, int]:
    """Return the result, the seconds and the peak memory in bytes."""
    started = time.perf_counter()
    with PeakMemory() as memory:
        result = what()
    return result, time.perf_counter() - started, memory.peak


def plan(root: Path) -> int:
    """Return the number of records for upper garments; their pictures are not compared, as there is one part only."""
    files = Files(root)
    return make_plan(files, list(records(open_aihub(files), "upper")), CONFIGURATION).plan.records


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=110_000)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        drawn, tree = Path(folder, "drawn"), Path(folder, "tree")
        write_dataset(drawn, looks=DRAWN_LOOKS, seed=0, workers=given.workers)
        tree.mkdir()
        labels = repeat(drawn, tree, given.frames)
        report: Report
        report, seconds, memory = timed(lambda: inspect(Files(tree), given.workers, lambda done, total: None))
        assert (report.labels_read, dict(report.faults.counts)) == (labels, {})
        count, planning, planning_memory = timed(lambda: plan(tree))
    print(f"{given.frames} frames, {labels} label files, {given.workers} workers")
    print(f"inspect   {seconds:7.1f} s {given.frames / seconds:9.0f} frames/s   peak {memory / 2**20:6.0f} MiB, all")
    print(f"plan      {planning:7.1f} s {count:9d} records     peak {planning_memory / 2**20:6.0f} MiB")


if __name__ == "__main__":
    main()

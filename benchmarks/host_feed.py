"""Images per second that the host can feed to a card's training step; the step itself is replaced by a no-op.

    python benchmarks/host_feed.py [--before CHECKOUT] [--shards DIR] [--seconds 1.5] [--rounds 2] [--presets small]

For every preset and stage, on one and two cores:

- before: the step's noise, times and dropout are drawn by the main thread as `train.training.step` does on a CPU,
  two threads decode, 1 GiB of decoded images is kept. With ``--before`` the code of that checkout (of a commit before
  the change) is measured, else this one's with those settings.
- after: noise is generated on the card, there is one decoding thread per core, and the cache of images is bounded by
  the machine's memory.

*cold* is the first epoch: every sample is read and decoded. *warm* is every later one. Both programs take turns within
one run, so that a busy neighbour disturbs them alike; images per processor second count the time of all threads and
hardly depend on neighbours. The samples of the drawn shards are repeated under different numbers, so that an epoch is
longer than what is measured; their files are in the page cache, so no disk is measured.

The last table is arithmetic on the round that took least. With the processor seconds C that an image takes, of which G
hold Python's lock, 16 cores feed min(16 / C, 1 / G) images a second. G is measured from above: all that does not pass
in calls that are known to release the lock. Before, the main thread drew the noise alone and two threads decoded, so
that there it is min(2 / decoding, 1 / noise).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BATCH = 64
KEPT = 1 << 28
"""Bytes of decoded images that the repeated samples of a warm run come to: more than a processor's cache holds."""
REPEATED = 64
"""Times that the samples of a cold run are repeated: longer than is measured."""
CORES = 16
H100 = {"base": 2439, "sr256": 2885, "sr1024": 1395}
"""Images a second of `small` that an H100 trains at 300 TFLOP/s (docs/measurements/scaling.md)."""


@dataclass(frozen=True)
class Case:
    """One measurement."""

    preset: str
    stage: str
    cores: int
    threads: int
    noise: bool
    """Drawn on the host."""
    warm: bool
    seconds: float
    locked: bool = False
    """Measure the time that holds Python's lock; slows what it measures."""


@dataclass(frozen=True)
class Rate:
    """What came of it: images a second, and seconds of the processors for an image."""

    images: float
    processor: float
    main: float
    """Processor seconds of the main thread for an image."""
    locked: float
    """Processor seconds for an image that hold Python's lock, at most."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, default=ROOT)
    parser.add_argument("--shards", type=Path)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--presets", nargs="+", default=["nano", "small", "paper"])
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
        return
    with tempfile.TemporaryDirectory() as folder:
        shards = given.shards or draw(Path(folder))
        load = os.getloadavg()[0]
        programs = (Program(given.before, shards), Program(ROOT, shards))
        print(f"Batches of {BATCH}, medians of {given.rounds} rounds of {given.seconds:g} s; load {load:.1f} before\n")
        found = compare(programs, given.presets, given.seconds, given.rounds)
        arithmetic(programs[1], given.rounds, given.seconds, found)


class Program:
    """A process that measures with the code of one checkout."""

    def __init__(self, checkout: Path, shards: Path) -> None:
        command = [sys.executable, str(Path(__file__).resolve()), "--serve", str(shards)]
        environment = os.environ | {"PYTHONPATH": str(checkout.resolve()), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=checkout
        )

    def rate(self, case: Case) -> Rate:
        """Measure one case."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asdict(case)) + "\n")
        self._process.stdin.flush()
        return Rate(**json.loads(self._process.stdout.readline()))


def compare(
    programs: tuple[Program, Program], presets: list[str], seconds: float, rounds: int
) -> dict[tuple[str, str, bool], tuple[Rate, Rate]]:  # fmt: skip
    """Print the rates before and after; return the least disturbed on two cores by preset, stage, whether warm."""
    print("| preset, stage | epoch | cores | images/s before | after | ratio", end="")
    print(" | per processor second before | after | ratio |\n" + "|---" * 9 + "|")
    found = {}
    for preset in presets:
        for stage in H100:
            for warm in (False, True):
                for cores in (1, 2):
                    rates = in_turn(programs, Case(preset, stage, cores, 2, True, warm, seconds), rounds)
                    found[preset, stage, warm] = least(rates[0]), least(rates[1])
                    before, after = median(rates[0]), median(rates[1])
                    name = "later" if warm else "first"
                    speeds = f"{before.images:.0f} | {after.images:.0f} | {after.images / before.images:.1f}"
                    works = f"{1 / before.processor:.0f} | {1 / after.processor:.0f}"
                    works += f" | {before.processor / after.processor:.1f}"
                    print(f"| {preset}, {stage} | {name} | {cores} | {speeds} | {works} |", flush=True)
    return found


def in_turn(programs: tuple[Program, Program], case: Case, rounds: int) -> tuple[list[Rate], list[Rate]]:
    cases = case, Case(**asdict(case) | {"threads": case.cores, "noise": False})
    rates: tuple[list[Rate], list[Rate]] = ([], [])
    for _ in range(rounds):
        for program, one, measured in zip(programs, cases, rates, strict=True):
            measured.append(program.rate(one))
    return rates


def median(rates: list[Rate]) -> Rate:
    return Rate(**{name: statistics.median(asdict(rate)[name] for rate in rates) for name in asdict(rates[0])})


def least(rates: list[Rate]) -> Rate:
    return min(rates, key=lambda rate: rate.processor)


def arithmetic(
    program: Program, rounds: int, seconds: float, found: dict[tuple[str, str, bool], tuple[Rate, Rate]]
) -> None:  # fmt: skip
    """Print what 16 cores would feed."""
    print("\n| preset, stage | epoch | ms an image | of it with Python's lock | 16 cores before | after | H100 takes |")
    print("|---|---|---|---|---|---|---|")
    for (preset, stage, warm), (before, after) in found.items():
        case = Case(preset, stage, 1, 1, False, warm, seconds, locked=True)
        locked = min(program.rate(case).locked for _ in range(rounds))
        then = min(2 / (before.processor - before.main), 1 / before.main)
        now = min(CORES / after.processor, 1 / locked)
        takes = str(H100[stage]) if preset == "small" else ""
        times = f"{1000 * after.processor:.3f} | {1000 * locked:.3f}"
        name = "later" if warm else "first"
        print(f"| {preset}, {stage} | {name} | {times} | {then:.0f} | {now:.0f} | {takes} |", flush=True)


def draw(folder: Path) -> Path:
    from loader import drawn

    return drawn(folder)


def serve(shards: Path) -> None:
    """Measure the cases that come, one a line, with the code that is imported from here on."""
    sys.path.append(str(Path(__file__).parent))
    import train.hardware.runtime  # noqa: F401, I001  before torch, as the program does
    import torch

    torch.set_num_threads(1)
    for line in sys.stdin:
        print(json.dumps(asdict(measure(shards, Case(**json.loads(line))))), flush=True)


def measure(shards: Path, case: Case) -> Rate:
    from train.data import BatchLoader

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(os.getppid()))[: case.cores])
    config = settings(case)
    folder = repeated(shards, case, config)
    loader = BatchLoader(folder, config)
    batches = loader.batches(0)
    if case.warm:
        for _ in range(len(folder) // BATCH + 2):  # an epoch, to its end
            next(batches)
    try:
        with watched(case.locked) as released:
            return rate(batches, config, case, released)
    finally:
        batches.close()
        del loader, batches
        gc.collect()


def settings(case: Case) -> Any:
    """Return the stage's configuration, of either checkout."""
    from train.configuration.presets import merged, preset_values
    from train.configuration.stage_config import StageConfig
    from train.data.data_config import DataConfig

    data: dict[str, Any] = {"batch": BATCH, "threads": case.threads}
    if case.noise and "cache_memory" in DataConfig.model_fields:
        data["cache_memory"] = 1 << 30
    return StageConfig.model_validate(merged(preset_values(case.preset, case.stage), {"data": data}))  # type: ignore[arg-type]


def repeated(shards: Path, case: Case, config: Any) -> Any:
    """Return the samples, each many times under numbers of its own, so that an epoch lasts."""
    from train.data import ShardFolder

    folder = ShardFolder(shards, "train")
    times = REPEATED
    if case.warm:
        each = (3 if config.is_try_on else 1) * 3 * config.size**2
        times = max(1, min(16, KEPT // (each * len(folder))))
    folder.keys *= times
    folder._places *= times
    return folder


def rate(batches: Iterator[Any], config: Any, case: Case, released: Callable[[], float]) -> Rate:
    """Serve batches for a while, from the second one on: as many are decoded ahead at the beginning as at the end."""
    step(next(batches), config, case)
    started, busy, own, let_go, count = time.perf_counter(), time.process_time(), time.thread_time(), released(), 0
    while (spent := time.perf_counter() - started) < case.seconds:
        step(next(batches), config, case)
        count += BATCH
    whole = time.process_time() - busy
    main = time.thread_time() - own
    return Rate(count / spent, whole / count, main / count, (whole - released() + let_go) / count)


def step(batch: Any, config: Any, case: Case) -> None:
    """Do what the host does of a step, without the network: the draws of `sample_losses`, or nothing."""
    if not case.noise:
        return
    from train.diffusion.randomness import SampleNoise

    noise = SampleNoise(config.seed, config.stage, batch.positions)
    shapes = [image.shape[1:] for image in (batch.Ia, batch.Ic) if image is not None]
    if config.low_res:
        shapes.append((3, *(side // config.scale for side in batch.x.shape[2:])))
    noise.uniform((len(shapes),), "t_na")
    for which, shape in enumerate(shapes):
        noise.normal(tuple(shape), "augmentation", which)
    noise.bernoulli(config.diffusion.drop, "drop")
    noise.uniform((), "t")
    noise.normal(tuple(batch.x.shape[1:]), "eps")


@contextmanager
def watched(enabled: bool) -> Iterator[Callable[[], float]]:
    """Count the processor seconds within calls that release Python's lock."""
    if not enabled:
        yield lambda: 0.0
        return
    import cv2
    import numpy as np
    from PIL.ImageFile import ImageFile

    spent: list[float] = []

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*given: Any, **named: Any) -> Any:
            before = time.thread_time()
            try:
                return call(*given, **named)
            finally:
                spent.append(time.thread_time() - before)

        return wrapper

    names = [(cv2, "imdecode"), (cv2, "resize"), (cv2, "flip"), (os, "pread"), (np, "copyto"), (ImageFile, "load")]
    held = [(owner, name, getattr(owner, name)) for owner, name in names]
    for owner, name, call in held:
        setattr(owner, name, timed(call))
    try:
        yield lambda: sum(spent)
    finally:
        for owner, name, call in held:
            setattr(owner, name, call)


if __name__ == "__main__":
    main()

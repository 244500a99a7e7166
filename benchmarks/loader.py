"""Speed of the trainer's shard loader, compared with plain webdataset, and a step's waiting time for data.

    python benchmarks/loader.py [--shards DIR] [--seconds 3] [--rounds 3]

For every stage of the paper's and the nano preset: samples per second of `BatchLoader` with 1 and 2 threads, and of
webdataset (`select_files`, `decode("rgb8")`, the same members, scaled or cropped and stacked in the same way) with 0, 1
and 2 workers; each also per second of processor time. The loader's cache of decoded samples is off here (it is on in
training), so that every sample is read and decoded. Then the share of a nano step spent in `next(batches)`, and the
processor time of the step's thread in it: if other programs are busy, the difference is waiting for a processor, not
for data.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import webdataset as wds
from inspect_speed import CONFIGURATION

from preprocess.planning.pairing import records
from preprocess.planning.plan import make_plan
from preprocess.sharding import build
from preprocess.sources import Files
from preprocess.sources.aihub import open_aihub
from preprocess.synthetic.dataset_writer import write_dataset
from schemas import AGNOSTIC, GARMENT, JG, JP, PERSON, PERSON_256
from train.configuration.presets import Preset, merged, preset_values
from train.configuration.stage_config import STAGES, StageConfig
from train.data import BatchLoader, ShardFolder
from train.data.batches import to_size
from train.diffusion.schedule import make_schedule
from train.training.step import Stepper, init_training, train_step

BATCH = 16
PRESETS: tuple[Preset, ...] = ("nano", "paper")
CPU = torch.device("cpu")
Make = Callable[[], Iterator[object]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=Path)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        shards = given.shards or drawn(Path(folder))
        load = os.getloadavg()[0]
        print(
            f"{len(ShardFolder(shards, 'train'))} samples, batches of {BATCH}, medians of {given.rounds} rounds of",
            end=" ",
        )
        print(f"{given.seconds:g} s; {os.cpu_count()} processors, load {load:.1f} before\n")
        print("| preset, stage | reader | threads or workers | samples/s | samples per CPU second | ratio |")
        print("|---|---|---|---|---|---|")
        for preset in PRESETS:
            for stage in STAGES:
                compare(shards, loaded(preset, stage), given.seconds, given.rounds)
        print("\n| nano stage | ms per step | of it in `next(batches)` | CPU time in it |\n|---|---|---|---|")
        for stage in STAGES:
            waiting(shards, preset_stage("nano", stage, {"data": {"cache_memory": 0}}), 12)


def drawn(folder: Path) -> Path:
    write_dataset(folder / "aihub", looks=60, seed=0, workers=1)
    files = Files(folder / "aihub")
    planned = make_plan(files, list(records(open_aihub(files), "upper")), CONFIGURATION)
    build(files, folder / "shards", planned, 1, lambda done, total: None)
    return folder / "shards"


def preset_stage(preset: Preset, stage: Any, more: dict[str, Any] | None = None) -> StageConfig:
    return StageConfig.model_validate(merged(preset_values(preset, stage), more or {}))


def loaded(preset: Preset, stage: Any) -> StageConfig:
    return preset_stage(preset, stage, {"data": {"batch": BATCH}})


def compare(shards: Path, config: StageConfig, seconds: float, rounds: int) -> None:
    """Print a stage's rows; readers alternate, so that other load affects them equally."""
    readers: dict[tuple[str, int], Make] = {}
    for workers in (0, 1, 2):
        readers["webdataset", workers] = lambda workers=workers: plain(shards, config, workers)  # type: ignore[misc]
    for threads in (1, 2):
        readers["trainer", threads] = lambda threads=threads: ours(shards, config, threads)  # type: ignore[misc]
    found: dict[tuple[str, int], list[tuple[float, float]]] = {key: [] for key in readers}
    for _ in range(rounds):
        for key, make in readers.items():
            found[key].append(rate(make, seconds))
    base = statistics.median(per for _, per in found["webdataset", 0])
    for (name, count), measured in found.items():
        speed, per = (statistics.median(one[which] for one in measured) for which in (0, 1))
        print(f"| {config.preset}, {config.stage} | {name} | {count} | {speed:.0f} | {per:.0f} | {per / base:.2f} |")


def rate(make: Make, seconds: float) -> tuple[float, float]:
    """Return samples per second of wall time, and per second of CPU time (workers included)."""
    batches = make()
    started, before, count = time.perf_counter(), os.times(), 0
    while (spent := time.perf_counter() - started) < seconds:
        next(batches)
        count += BATCH
    close = getattr(batches, "close", None)
    if close:
        close()
    del batches  # waits for the workers, whose CPU time is then counted
    after = os.times()
    busy = sum(after[:4]) - sum(before[:4])
    return count / spent, count / busy


def ours(shards: Path, config: StageConfig, threads: int) -> Iterator[object]:
    config = StageConfig.model_validate(merged(config.model_dump(), {"data": {"threads": threads, "cache_memory": 0}}))
    return BatchLoader(ShardFolder(shards, "train"), config).batches(0)


def plain(shards: Path, config: StageConfig, workers: int) -> Iterator[object]:
    members = {PERSON_256, AGNOSTIC, GARMENT, JP, JG} if config.is_try_on else {PERSON}

    def wanted(name: str) -> bool:
        return name.partition(".")[2] in members

    urls = [str(path) for path in sorted(shards.glob("train-*.tar"))]
    data = wds.WebDataset(urls, resampled=True, shardshuffle=False, select_files=wanted, empty_check=False)
    data = data.shuffle(64).decode("rgb8").map(Prepare(config)).batched(BATCH, collation_fn=collate)
    return iter(wds.WebLoader(data, num_workers=workers, batch_size=None))


class Prepare:
    """The processing after decoding: resize, crop, flip."""

    def __init__(self, config: StageConfig) -> None:
        self.config = config

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        size, side = self.config.size, self.config.crop
        out = {}
        flip = random.random() < 0.5
        for name, value in sample.items():
            if name.startswith("__"):
                continue
            if value.ndim == 3:
                value = to_size(value, size)
                if side:
                    top, left = (random.randrange(size - side + 1) for _ in range(2))
                    value = value[top : top + side, left : left + side]
                value = np.ascontiguousarray(value[:, ::-1]) if flip else value
            out[name] = value
        return out


def collate(samples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.stack([one[name] for one in samples])) for name in samples[0] if name[0] != "_"}


def waiting(shards: Path, config: StageConfig, steps: int) -> None:
    """Print the time of a nano step and the share spent waiting for its batch, without cached samples."""
    training = init_training(config, CPU)
    stepper = Stepper(config, make_schedule(config.diffusion.schedule), CPU)
    batches = BatchLoader(ShardFolder(shards, "train"), config).batches(0)
    train_step(training, next(batches), stepper)
    whole: list[float] = []
    waited: list[float] = []
    busy: list[float] = []
    for _ in range(steps):
        started, before = time.perf_counter(), time.thread_time()
        batch = next(batches)
        busy.append(time.thread_time() - before)
        waited.append(time.perf_counter() - started)
        train_step(training, batch, stepper)
        whole.append(time.perf_counter() - started)
    batches.close()
    shares = f"{sum(waited) / sum(whole):.2%} | {sum(busy) / sum(whole):.2%}"
    print(f"| {config.stage} | {1000 * sum(whole) / steps:.0f} | {shares} |", flush=True)


if __name__ == "__main__":
    main()

"""One training step: seconds, FLOP rate relative to the machine's matrix multiplication, and peak memory.

    python benchmarks/model_step.py [--compiled] [--rounds 5] [--only medium,nano]

The step is that of `trainer fit` (`train_step`), on random images, with Adam. FLOPs are those of the forward and
backward pass without checkpointing (`train.training.flops`); the rate of fp32 matrix multiplication is measured
between the steps, on the same threads. Seconds are the median of the rounds; the rows of a network take turns in each
round. Memory is the peak of live tensors (`train.memory.live`), including weights, gradients, optimizer state and EMA
weights. ``--compiled`` adds rows for torch.compile, which takes minutes on a CPU. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from nets import medium

import train.hardware.runtime  # noqa: F401  malloc and OpenMP as `trainer` has them
from train.configuration.presets import merged, preset_values
from train.configuration.stage_config import StageConfig
from train.diffusion.schedule import make_schedule
from train.memory.live import LiveMemory
from train.memory.trace import blank_batch
from train.training.flops import flops_per_image
from train.training.step import Stepper, init_training, train_step

BATCHES = {"nano": {"base": 16, "sr256": 8, "sr1024": 16}, "small": {"base": 4, "sr256": 2, "sr1024": 1}}
SIZE = 2048
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Row:
    """A network and the settings of its step."""

    name: str
    values: dict[str, Any]
    compiled: bool

    @property
    def config(self) -> StageConfig:
        return StageConfig.model_validate(self.values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="medium,nano,small", help="which of medium, nano, small")
    given = parser.parse_args()
    print(
        "| network | batch | precision | checkpointing | compiled | s | GFLOP | GFLOP/s | of fp32 matmul | peak, MiB |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for _, of_one_net in groupby(rows(given.only.split(","), given.compiled), key=lambda row: row.name):
        print("\n".join(measure(list(of_one_net), given.rounds)), flush=True)


def rows(wanted: list[str], with_compiled: bool) -> list[Row]:
    nets: dict[str, dict[str, Any]] = {}
    if "medium" in wanted:
        base = preset_values("paper", "base")
        nets["27.6 M, 128²"] = merged(base, {"data": {"batch": 2}}) | {"model": medium().model_dump()}
    for preset, stages in BATCHES.items():
        for stage, batch in stages.items() if preset in wanted else ():
            values = preset_values(preset, stage)  # type: ignore[arg-type]
            nets[f"{preset} {stage}"] = merged(values, {"data": {"batch": batch}})
    found: list[Row] = []
    for name, values in nets.items():
        for precision in ("fp32", "bf16"):
            for checkpointing in (False, True):
                settings = {"precision": precision, "memory": {"checkpointing": checkpointing}}
                found.append(Row(name, merged(values, settings), compiled=False))
            if with_compiled:
                found.append(Row(name, merged(values, {"precision": precision}), compiled=True))
    return found


class Steps:
    """A row's training state and step times."""

    def __init__(self, row: Row) -> None:
        self.row, config = row, row.config
        self.batch = blank_batch(config, config.data.batch)
        self.stepper = Stepper(config, make_schedule(config.diffusion.schedule), CPU)
        with LiveMemory() as memory:
            self.training = init_training(config, CPU)
            for _ in range(2):
                self.step()
            self.peak = memory.device_peak
        if row.compiled:
            self.training.model.compile()
            self.step()
        self.seconds: list[float] = []
        self.rates: list[float] = []

    def step(self) -> None:
        train_step(self.training, self.batch, self.stepper)

    def timed(self) -> None:
        self.rates.append(matmul_rate())
        started = time.perf_counter()
        self.step()
        self.seconds.append(time.perf_counter() - started)

    def line(self, work: int) -> str:
        row, config = self.row, self.row.config
        spent, rate = statistics.median(self.seconds), statistics.median(self.rates)
        yes = {True: "yes", False: ""}
        cells = [
            row.name, config.data.batch, config.precision, yes[config.memory.checkpointing], yes[row.compiled],
            f"{spent:.3f}", f"{work / 1e9:.1f}", f"{work / spent / 1e9:.0f}", f"{work / spent / rate:.0%}",
            f"{self.peak / 2**20:.0f}",
        ]  # fmt: skip
        return "| " + " | ".join(map(str, cells)) + " |"


def measure(of_one_net: list[Row], rounds: int) -> list[str]:
    """Time the rows of one network in turn, so that load on the machine affects them equally."""
    all_steps = [Steps(row) for row in of_one_net]
    for _ in range(rounds):
        for steps in all_steps:
            steps.timed()
    work = of_one_net[0].config.data.batch * flops_per_image(of_one_net[0].config)  # the same for each row
    return [steps.line(work) for steps in all_steps]


def matmul_rate() -> float:
    """Return the FLOP/s of a large fp32 matrix multiplication."""
    a, b = torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE)
    torch.mm(a, b)
    started = time.perf_counter()
    torch.mm(a, b)
    return float(2 * SIZE**3 / (time.perf_counter() - started))


if __name__ == "__main__":
    main()

"""Measure a checkpoint of an FSDP run: how long a step waits, how long it takes, how much memory a process needs.

    torchrun --nproc-per-node 2 benchmarks/sharded_checkpoints.py FOLDER [--width 1536] [--how behind|waiting|whole]

behind: each process writes its shards behind the steps, as `trainer fit` does; waiting: the steps wait for that; whole:
rank 0 gathers and writes full tensors, as earlier versions did.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from train.hardware.world import World, join
from train.models.blocks import Checkpointed
from train.runs.checkpoint_folder import CheckpointFolder
from train.training.parallel import shard, whole
from train.training.saving.background_writer import BackgroundWriter
from train.training.saving.snapshot import Snapshot, take_snapshot
from train.training.state import Training


def main() -> None:
    """Make steps, save a checkpoint, and go on until it is written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--width", type=int, default=1536)
    parser.add_argument("--layers", type=int, default=20)
    parser.add_argument("--how", choices=["behind", "waiting", "whole"], default="behind")
    arguments = parser.parse_args()
    checkpoints = CheckpointFolder(arguments.folder)
    with join("fsdp") as world, BackgroundWriter(world) as writer:
        training = _training(arguments.width, arguments.layers, world)
        _step(training, arguments.width)  # which makes the optimizer's state
        _reset_peak()
        usual = [_timed(lambda: _step(training, arguments.width)) for _ in range(4)]
        in_steps = _memory("VmHWM")
        world.agree(_reset_peak)
        before, start = _memory("VmRSS"), time.perf_counter()
        if arguments.how == "whole":
            snapshot, exchange = _gathered(training, world), replace(world, kind="ddp")  # written by rank 0 alone
        else:
            snapshot, exchange = take_snapshot(training, world), world
        copied = time.perf_counter() - start
        meanwhile: list[float] = []
        if arguments.how == "behind":
            writer.add(lambda thread: snapshot.write(checkpoints, 1, {}, thread))
            waited = time.perf_counter() - start
            while not world.any(checkpoints.path_of(training.step).exists()):
                meanwhile.append(_timed(lambda: _step(training, arguments.width)))
                training.step -= 1
        else:
            snapshot.write(checkpoints, 1, {}, exchange)
            waited = time.perf_counter() - start
        writer.wait()
        figures = [
            f"rank {world.rank}: a step waits {waited:.2f} s (copying {copied:.2f})",
            f"written after {time.perf_counter() - start:.1f} s",
            f"{before:.2f} GiB resident, {_memory('VmHWM'):.2f} at most until then, {in_steps:.2f} in earlier steps",
            f"a step takes {statistics.median(usual):.2f} s, at most {max(usual):.2f}",
        ]
        if meanwhile:
            figures.append(f"meanwhile {statistics.median(meanwhile):.2f}, at most {max(meanwhile):.2f}")
        lines = world.gather("; ".join(figures))
        if world.is_main:
            print(*lines, sep="\n")


class _Block(Checkpointed):
    """A block whose weights are gathered while it computes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Compute something."""
        output: Tensor = self.linear(x).tanh()
        return output


def _training(width: int, layers: int, world: World) -> Training:
    model = nn.Sequential(*(_Block(width) for _ in range(layers)))
    shard(model, world, torch.float32)
    ema = {name: p.detach().clone() for name, p in model.named_parameters()}
    training = Training(model, ema, torch.optim.AdamW(model.parameters(), lr=1e-4))
    if world.is_main:
        print(f"checkpoint of {16 * sum(p.numel() for p in model.parameters()) / 2**30:.2f} GiB")
    return training


def _step(training: Training, width: int) -> None:
    training.model(torch.ones(1, width)).sum().backward()
    training.optimizer.step()
    training.optimizer.zero_grad()
    training.step += 1


def _gathered(training: Training, world: World) -> Snapshot:
    """Gather the full tensors one by one into the memory of rank 0."""
    snapshot = take_snapshot(training, replace(world, kind="ddp"))
    for tensors in snapshot.parts.values():
        for name, tensor in tensors.items():
            full = whole(tensor)
            if world.is_main:
                tensors[name] = full
    return snapshot


def _timed(action: Callable[[], None]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _memory(name: str) -> float:
    """Return this process's resident memory in GiB: VmRSS, now, or VmHWM, at most."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 2**20


if __name__ == "__main__":
    main()

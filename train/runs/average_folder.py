"""The folder of a run's snapshots of power-function averages, in half precision; few are kept, evenly spaced.

    averages/step-00001000-0.050.safetensors
    averages/step-00001000-0.050/shard-….safetensors      under FSDP

Whatever the number of steps, at most a given number of them, and the last, have snapshots: once there are too many, the
distance between those kept is doubled.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from common.errors import writing
from train.hardware.world import SINGLE_PROCESS, World
from train.runs.power_profiles import Profile, combination
from train.runs.sharded_tensors import open_tensors
from train.runs.tensors import save_tensors

_NAME = re.compile(r"step-(\d{8,})-(\d\.\d{3})(\.safetensors)?", re.ASCII)
_TEMPORARY = ".tmp"


class AverageFolder:
    """A run's snapshots; the folder need not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self) -> dict[Profile, Path]:
        """Return the snapshots by step and length, in order."""
        matches = sorted((path.name, _NAME.fullmatch(path.name)) for path in self.path.glob("step-*"))
        return {Profile(int(found[1]), float(found[2])): self.path / name for name, found in matches if found}

    def save(
        self,
        step: int,
        averages: Mapping[float, Mapping[str, Tensor]],
        keep: int,
        every: int,
        world: World = SINGLE_PROCESS,
    ) -> None:
        """Write a step's averages by length, then thin out. All processes call this; under FSDP each writes its shards.

        Raise UserError if that fails.
        """
        with writing(self.path):
            world.run_on_main(self._begin)
            for length, average in averages.items():
                self._save_one(f"step-{step:08d}-{length:.3f}", average, world)
            world.run_on_main(lambda: self._thin_out(keep, every))

    def _begin(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        for unfinished in self.path.glob(f"step-*{_TEMPORARY}"):
            _remove(unfinished)

    def _save_one(self, stem: str, average: Mapping[str, Tensor], world: World) -> None:
        """Write an average under a temporary name, then rename it."""
        temporary, whole, sharded = (self.path / f"{stem}{suffix}" for suffix in (_TEMPORARY, ".safetensors", ""))

        def rename() -> None:
            # The run may have fallen back to an earlier checkpoint, of another number of processes.
            for old in (whole, sharded):
                if old.exists():
                    _remove(old)
            temporary.rename(sharded if temporary.is_dir() else whole)

        def save_whole() -> None:
            save_tensors({name: value.half().contiguous().cpu() for name, value in average.items()}, temporary)
            rename()

        if world.kind != "fsdp":
            world.run_on_main(save_whole)
            return
        from train.runs.shard_writer import write_shards

        write_shards(temporary, average, world)
        world.run_on_main(rename)

    def reconstruct(self, wanted: Profile) -> tuple[dict[str, Tensor], int, float]:
        """Return the average, how many snapshots it is of, and the largest coefficient; there must be a snapshot."""
        snapshots = {profile: path for profile, path in self.all().items() if profile.step <= wanted.step}
        coefficients = combination(list(snapshots), wanted)
        result: dict[str, Tensor] = {}
        for path, coefficient in zip(snapshots.values(), coefficients.tolist(), strict=True):
            for name, value in open_tensors(path).items():
                summed = result.setdefault(name, torch.zeros(value.shape, dtype=torch.float64))
                summed.add_(value.double(), alpha=coefficient)
        weights = {name: value.float() for name, value in result.items()}
        return weights, len(snapshots), float(abs(coefficients).max())

    def _thin_out(self, keep: int, every: int) -> None:
        last = max(profile.step for profile in self.all())
        while last // every >= keep:
            every *= 2
        for profile, path in self.all().items():
            if profile.step % every and profile.step != last:
                _remove(path)


def _remove(path: Path) -> None:
    """Remove a file or a folder of shards."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

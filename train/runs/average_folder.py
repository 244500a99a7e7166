"""The folder of a run's snapshots of power-function averages, in half precision; few are kept, evenly spaced.

    averages/step-00001000-0.050.safetensors

Whatever the number of steps, at most a given number of them, and the last, have snapshots: once there are too many, the
distance between those kept is doubled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from common.errors import writing
from train.runs.power_profiles import Profile, combination
from train.runs.tensors import load_tensors, save_tensors

_NAME = re.compile(r"step-(\d{8,})-(\d\.\d{3})\.safetensors", re.ASCII)


class AverageFolder:
    """A run's snapshots; the folder need not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self) -> dict[Profile, Path]:
        """Return the snapshots by step and length, in order."""
        matches = sorted((path.name, _NAME.fullmatch(path.name)) for path in self.path.glob("step-*.safetensors"))
        return {Profile(int(found[1]), float(found[2])): self.path / name for name, found in matches if found}

    def save(self, step: int, averages: Mapping[float, Mapping[str, Tensor]], keep: int, every: int) -> None:
        """Write a step's averages by length, then thin out. Raise UserError if that fails."""
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            for length, average in averages.items():
                final = self.path / f"step-{step:08d}-{length:.3f}.safetensors"
                temporary = final.with_suffix(".tmp")
                save_tensors({name: value.half().contiguous().cpu() for name, value in average.items()}, temporary)
                temporary.replace(final)
            self._thin_out(keep, every)

    def reconstruct(self, wanted: Profile) -> tuple[dict[str, Tensor], int, float]:
        """Return the average, how many snapshots it is of, and the largest coefficient; there must be a snapshot."""
        snapshots = {profile: path for profile, path in self.all().items() if profile.step <= wanted.step}
        coefficients = combination(list(snapshots), wanted)
        result: dict[str, Tensor] = {}
        for path, coefficient in zip(snapshots.values(), coefficients.tolist(), strict=True):
            for name, value in load_tensors(path).items():
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
                path.unlink(missing_ok=True)

"""Random numbers that depend on what they are for, not on when or in what batch they are drawn.

Every sample has a generator of its own (Philox, a counter-based one) whose key is a hash of seed, stage, the sample's
position and the purpose. So a run that was stopped and resumed, a different number of workers or another batch size
draws the same numbers. They are drawn on the CPU, and are the same everywhere for one version of NumPy; for a training
step on a card see `train.diffusion.device_noise`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class Noise(Protocol):
    """Random numbers of some samples, on one device; shapes begin with the number of samples B."""

    def normal(self, shape: tuple[int, ...], *purpose: str | int) -> Tensor:
        """Return standard normal numbers (B, *shape), float32; ``purpose`` names the use, e.g. ("ddpm", step)."""

    def uniform(self, shape: tuple[int, ...], *purpose: str | int) -> Tensor:
        """Return numbers (B, *shape) uniform in [0, 1), float32."""

    def bernoulli(self, probability: float, *purpose: str | int) -> Tensor:
        """Return one boolean per sample (B,), true with ``probability``; raises ValueError outside [0, 1]."""


@dataclass(frozen=True)
class SampleNoise:
    """The random numbers of some samples: of ``positions`` in the order of the data, in one stage of one run."""

    seed: int
    stage: str
    positions: Sequence[int]

    def normal(self, shape: tuple[int, ...], *purpose: str | int) -> Tensor:
        """Return standard normal numbers (B, *shape), float32; ``purpose`` names the use, e.g. ("ddpm", step)."""
        out = np.empty((len(self.positions), *shape), dtype=np.float32)
        for index, position in enumerate(self.positions):
            out[index] = self._generator(position, purpose).standard_normal(shape, dtype=np.float32)
        return torch.from_numpy(out)

    def uniform(self, shape: tuple[int, ...], *purpose: str | int) -> Tensor:
        """Return numbers (B, *shape) uniform in [0, 1), float32."""
        out = np.empty((len(self.positions), *shape), dtype=np.float32)
        for index, position in enumerate(self.positions):
            out[index] = self._generator(position, purpose).random(shape, dtype=np.float32)
        return torch.from_numpy(out)

    def bernoulli(self, probability: float, *purpose: str | int) -> Tensor:
        """Return one boolean per sample (B,), true with ``probability``; raises ValueError outside [0, 1]."""
        return share_below(probability, self.uniform((), *purpose))

    def _generator(self, position: int, purpose: tuple[str | int, ...]) -> np.random.Generator:
        name = named(self.seed, self.stage, position, *purpose)
        key = np.frombuffer(hashlib.blake2b(name, digest_size=16).digest(), dtype="<u8")
        return np.random.Generator(np.random.Philox(key=key))


def named(*parts: str | int) -> bytes:
    """Return bytes that tell apart what a plain join would not: ("a", 11) and ("a1", 1), 1 and "1"."""
    return repr([part if isinstance(part, str) else int(part) for part in parts]).encode()


def share_below(probability: float, uniform: Tensor) -> Tensor:
    """Return where numbers uniform in [0, 1) are below ``probability``; raises ValueError outside [0, 1]."""
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"a probability of {probability} is not in [0, 1]")
    return uniform < probability

"""Random numbers keyed by their purpose: they do not depend on the batch or the order in which they are drawn.

Every sample has its own counter-based generator (Philox), keyed by a hash of seed, stage, the sample's position and the
purpose. So a resumed run, a different number of workers or another batch size draws the same numbers. They are drawn on
the CPU and are the same on every machine with the same NumPy version; for training steps on a GPU see
`train.diffusion.device_noise`.
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
    """Random numbers for a batch of B samples, on one device; all shapes begin with B."""

    def normal(self, shape: tuple[int, ...], *purpose: str | int) -> Tensor:
        """Return standard normal numbers (B, *shape), float32; ``purpose`` names the use, e.g. ("ddpm", step)."""

    def uniform(self, shape: tuple[int, ...], *purpose: str | int) -> Tensor:
        """Return numbers (B, *shape) uniform in [0, 1), float32."""

    def bernoulli(self, probability: float, *purpose: str | int) -> Tensor:
        """Return one boolean per sample (B,), true with ``probability``; raises ValueError outside [0, 1]."""


@dataclass(frozen=True)
class SampleNoise:
    """Random numbers for the samples at ``positions`` in the data order of one stage of one run."""

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
        return bernoulli_mask(probability, self.uniform((), *purpose))

    def _generator(self, position: int, purpose: tuple[str | int, ...]) -> np.random.Generator:
        name = encode_key(self.seed, self.stage, position, *purpose)
        key = np.frombuffer(hashlib.blake2b(name, digest_size=16).digest(), dtype="<u8")
        return np.random.Generator(np.random.Philox(key=key))


def encode_key(*parts: str | int) -> bytes:
    """Encode parts unambiguously: unlike a plain join, ("a", 11) differs from ("a1", 1), and 1 from "1"."""
    return repr([part if isinstance(part, str) else int(part) for part in parts]).encode()


def bernoulli_mask(probability: float, uniform: Tensor) -> Tensor:
    """Return which numbers, uniform in [0, 1), are below ``probability``; raises ValueError if it is outside [0, 1]."""
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"probability {probability} is not in [0, 1]")
    return uniform < probability

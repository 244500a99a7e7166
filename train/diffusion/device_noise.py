"""Keyed random numbers generated on the device: the interface of `SampleNoise`, with another generator.

Drawing a step's noise on the host would take longer than a GPU needs for the step. Philox4x32-10 (Salmon et al. 2011,
"Parallel random numbers: as easy as 1, 2, 3") is a pure function of key and counter, implemented here in integer
operations that give the same result on any device. The key is a hash of seed, stage and purpose; the counter consists
of the sample's position and the index within the sample. So the numbers do not depend on the batch, ranks, threads or
restarts. They differ from NumPy's: a run on a CPU and one on a GPU draw different noise.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from train.diffusion.randomness import bernoulli_mask, encode_key

_ROUNDS = 10
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_MASK = 0xFFFFFFFF
_UNIT = 2.0**-24
"""A float32 in [0, 1) holds 24 random bits."""

Words = tuple[Tensor, Tensor, Tensor, Tensor]
"""Four unsigned 32-bit numbers, each in an int64 tensor."""


@dataclass(frozen=True)
class DeviceNoise:
    """`SampleNoise` on ``device``: the same methods and shapes; tensors are float32 on ``device``."""

    seed: int
    stage: str
    positions: Sequence[int]
    device: torch.device
    compiled: bool = False
    """Whether torch.compile fuses the draws into one kernel."""

    def normal(self, shape: tuple[int, ...], *purpose: str | int) -> Tensor:
        """Return standard normal numbers (B, *shape)."""
        draw = _compiled(box_muller) if self.compiled else box_muller
        return draw(*self._counters(shape, purpose))[:, : math.prod(shape)].reshape(-1, *shape)

    def uniform(self, shape: tuple[int, ...], *purpose: str | int) -> Tensor:
        """Return numbers (B, *shape) uniform in [0, 1)."""
        return uniforms(*self._counters(shape, purpose))[:, : math.prod(shape)].reshape(-1, *shape)

    def bernoulli(self, probability: float, *purpose: str | int) -> Tensor:
        """Return one boolean per sample (B,), true with ``probability``; raises ValueError outside [0, 1]."""
        return bernoulli_mask(probability, self.uniform((), *purpose))

    def _counters(self, shape: tuple[int, ...], purpose: tuple[str | int, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """Return positions (B, 1), indices of blocks of four numbers (1, blocks), and the key (2,), all int64."""
        name = encode_key(self.seed, self.stage, *purpose)
        key = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little")
        # Filled, not copied from the host: a copy would wait for all work queued on the device.
        halves = [torch.full((1,), half, dtype=torch.int64, device=self.device) for half in (key & _MASK, key >> 32)]
        blocks = torch.arange(-(-math.prod(shape) // 4), device=self.device)
        return self._device_positions()[:, None], blocks[None, :], torch.cat(halves)

    def _device_positions(self) -> Tensor:
        first, count = self.positions[0], len(self.positions)
        if list(self.positions) == list(range(first, first + count)):
            return torch.arange(first, first + count, device=self.device)
        return torch.tensor(self.positions, device=self.device)


def philox(positions: Tensor, blocks: Tensor, key: Tensor) -> Words:
    """Return the Philox4x32-10 output words for the counters (block, low and high half of the position, 0).

    ``positions`` (B, 1) and ``blocks`` (1, n) are non-negative int64, ``key`` (2,) has two 32-bit words. Each of the
    four results is (B, n).
    """
    zero = torch.zeros_like(positions + blocks)
    words = (blocks + zero, (positions & _MASK) + zero, (positions >> 32) + zero, zero)
    for number in range(_ROUNDS):
        key_0, key_1 = ((key[which] + number * _WEYL[which]) & _MASK for which in range(2))
        words = _round(words, key_0, key_1)
    return words


def _round(words: Words, key_0: Tensor, key_1: Tensor) -> Words:
    # The 64-bit products wrap around as signed integers; masks and shifts extract the unsigned halves.
    first, second = words[0] * _MULTIPLIERS[0], words[2] * _MULTIPLIERS[1]
    return (
        (second >> 32 & _MASK) ^ words[1] ^ key_0,
        second & _MASK,
        (first >> 32 & _MASK) ^ words[3] ^ key_1,
        first & _MASK,
    )


def uniforms(positions: Tensor, blocks: Tensor, key: Tensor) -> Tensor:
    """Return four uniform numbers in [0, 1) per block (1, n), as (B, 4n) float32."""
    return torch.cat([(word >> 8).float() * _UNIT for word in philox(positions, blocks, key)], dim=1)


def box_muller(positions: Tensor, blocks: Tensor, key: Tensor) -> Tensor:
    """Return four standard normal numbers per block (1, n), as (B, 4n) float32."""
    words = philox(positions, blocks, key)
    pairs = []
    for magnitude, angle in (words[:2], words[2:]):
        radius = (((magnitude >> 8) + 1).float() * _UNIT).log().mul(-2.0).sqrt()
        phase = (angle >> 8).float() * (2.0 * math.pi * _UNIT)
        pairs += [radius * phase.cos(), radius * phase.sin()]
    return torch.cat(pairs, dim=1)


@cache
def _compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    # Dynamic: one graph per shape would exceed the compiler's recompile limit in a run of three stages.
    return torch.compile(function, dynamic=True)

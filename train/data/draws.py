"""Randomness of the data: the order of the samples, and the numbers for their augmentation.

Both are pure functions of the seed and the position (counted over all epochs), so they depend neither on workers nor on
interruptions. The numbers equal those of `SampleNoise`, but without a generator per sample: creating one holds the GIL
for 40 µs to yield two or three numbers, longer than all other work on a small cached image. Here one Philox block is
computed for all samples at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from train.diffusion.randomness import encode_key

_ROUNDS = 10
_MULTIPLIERS = tuple(np.uint64(m) for m in (0xD2E7470EE14C6C93, 0xCA5A826395121157))
_WEYL = np.array([0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B], np.uint64)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)

Words = NDArray[np.uint64]


def order_at(seed: int, count: int, position: int, stream: int = 0) -> int:
    """Return the index (of ``count`` samples) of the sample at ``position``, counted over all epochs.

    ``stream`` is another order of the same seed, for another source of samples.
    """
    epoch, place = divmod(position, count)
    return int(_orders(stream)(seed, count, epoch)[place])


@cache
def _orders(stream: int) -> Callable[[int, int, int], NDArray[np.int64]]:
    """Return the function from seed, count and epoch to a stream's order."""

    @lru_cache(maxsize=2)  # a batch may span two epochs
    def shuffled(seed: int, count: int, epoch: int) -> NDArray[np.int64]:
        bits = np.random.Philox(key=[seed, epoch], counter=[0, 0, 0, stream])
        return np.random.Generator(bits).permutation(count)

    return shuffled


def uniform_pairs(seed: int, stage: str, positions: Iterable[int], *purpose: str | int) -> NDArray[np.float32]:
    """Return the same as ``SampleNoise(seed, stage, positions).uniform((2,), *purpose)``: (B, 2) in [0, 1), float32.

    The first number of each pair is also its result for the shape ``()``.
    """
    names = (encode_key(seed, stage, position, *purpose) for position in positions)
    digests = b"".join(blake2b(name, digest_size=16).digest() for name in names)
    words = _first_words(np.frombuffer(digests, "<u8").astype(np.uint64).reshape(-1, 2))
    halves = np.stack((words & _LOW, words >> _HALF), axis=1)  # NumPy returns the lower half first
    return (halves >> np.uint64(8)).astype(np.float32) * np.float32(2**-24)


def _first_words(keys: Words) -> Words:
    """Return the first 64 bits of Philox 4x64 with the keys (B, 2)."""
    zero = np.zeros(len(keys), np.uint64)
    counter = [zero + np.uint64(1), zero, zero, zero]  # NumPy increments the counter before it draws
    for _ in range(_ROUNDS):
        (high0, low0), (high1, low1) = (_product(m, counter[2 * n]) for n, m in enumerate(_MULTIPLIERS))
        counter = [high1 ^ counter[1] ^ keys[:, 0], low1, high0 ^ counter[3] ^ keys[:, 1], low0]
        keys = keys + _WEYL
    return counter[0]


def _product(a: np.uint64, b: Words) -> tuple[Words, Words]:
    """Return the upper and the lower 64 bits of a · b."""
    a_high, a_low, b_high, b_low = a >> _HALF, a & _LOW, b >> _HALF, b & _LOW
    middle = a_high * b_low + (a_low * b_low >> _HALF)
    carried = a_low * b_high + (middle & _LOW)
    return a_high * b_high + (middle >> _HALF) + (carried >> _HALF), b * a

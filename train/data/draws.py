"""The first random numbers of many samples at once: those of `SampleNoise`, without making a generator for each.

A generator costs 40 µs of Python's lock, of which two numbers or three are wanted: more than all else that is done to
a small image that is decoded already. Here one block of Philox is computed for all samples together.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from train.diffusion.randomness import named

_ROUNDS = 10
_MULTIPLIERS = tuple(np.uint64(m) for m in (0xD2E7470EE14C6C93, 0xCA5A826395121157))
_WEYL = np.array([0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B], np.uint64)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)

Words = NDArray[np.uint64]


def uniform_pairs(seed: int, stage: str, positions: Iterable[int], *purpose: str | int) -> NDArray[np.float32]:
    """Return what ``SampleNoise(seed, stage, positions).uniform((2,), *purpose)`` does: (B, 2) in [0, 1), float32.

    The first of each two is also what it returns for the shape ``()``.
    """
    names = (named(seed, stage, position, *purpose) for position in positions)
    digests = b"".join(blake2b(name, digest_size=16).digest() for name in names)
    words = _first_words(np.frombuffer(digests, "<u8").astype(np.uint64).reshape(-1, 2))
    halves = np.stack((words & _LOW, words >> _HALF), axis=1)  # NumPy hands out the lower half first
    return (halves >> np.uint64(8)).astype(np.float32) * np.float32(2**-24)


def _first_words(keys: Words) -> Words:
    """Return the first 64 bits of Philox 4x64 with the keys (B, 2)."""
    zero = np.zeros(len(keys), np.uint64)
    counter = [zero + np.uint64(1), zero, zero, zero]  # NumPy counts up before it draws
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

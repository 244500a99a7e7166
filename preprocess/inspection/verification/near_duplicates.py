"""Identical and near-duplicate images of two splits, compared by their decoded pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_BITS = 2
"""Largest Hamming distance of near-duplicates' 64-bit hashes."""
_LEVELS = 4
"""Largest difference of their thumbnails' levels; the hash ignores colour and says little about plain cloth."""
_CHUNK = 32
_THUMB = 8 * 8 * 3


class ImageFingerprint(NamedTuple):
    """Fingerprint of an image: 64 bits of the SHA-256 of its pixels, its 64-bit dHash, 8 × 8 RGB levels (192,)."""

    exact: int
    dhash: int
    thumb: NDArray[np.uint8]


@dataclass(frozen=True)
class Fingerprints:
    """Fingerprints of one split's images, in order: ``exact`` and ``dhash`` uint64 (n,), ``thumbs`` uint8 (n, 192)."""

    exact: NDArray[np.uint64]
    dhash: NDArray[np.uint64]
    thumbs: NDArray[np.uint8]

    @classmethod
    def of(cls, looks: Sequence[ImageFingerprint]) -> Fingerprints:
        """Stack fingerprints into arrays."""
        return cls(
            np.array([look.exact for look in looks], np.uint64),
            np.array([look.dhash for look in looks], np.uint64),
            np.array([look.thumb for look in looks], np.uint8).reshape(len(looks), _THUMB),
        )

    @classmethod
    def joined(cls, parts: Sequence[Fingerprints]) -> Fingerprints:
        """Concatenate several."""
        return cls(
            np.concatenate([part.exact for part in parts]),
            np.concatenate([part.dhash for part in parts]),
            np.concatenate([part.thumbs for part in parts]),
        )


def near_duplicates(ours: Fingerprints, theirs: Fingerprints) -> Iterator[tuple[int, int, bool]]:
    """Yield (position in ours, position in theirs, whether identical) for each of ours that has a near-duplicate."""
    if not len(theirs.exact):
        return
    for start in range(0, len(ours.exact), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        same = np.bitwise_count(ours.dhash[chunk, None] ^ theirs.dhash[None, :]) <= _BITS
        for row in np.nonzero(same.any(axis=1))[0]:
            here, there = start + int(row), np.nonzero(same[row])[0]
            exact = there[theirs.exact[there] == ours.exact[here]]
            if len(exact):
                yield here, int(exact[0]), True
                continue
            distance = np.abs(theirs.thumbs[there].astype(np.int16) - ours.thumbs[here]).max(axis=1)
            if distance.min() <= _LEVELS:
                yield here, int(there[distance.argmin()]), False

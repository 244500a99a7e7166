"""Fewer records than the dataset has: a share or a number of them, drawn by the digest of their keys.

The draw depends on nothing but the keys, so that machines agree, and a smaller draw is part of a larger one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from preprocess.sources import Record
from schemas import Configuration

_BITS = 64


def drawn(records: Sequence[Record], configuration: Configuration) -> list[Record]:
    """Return the records that `sample_rate` and `limit` leave, in their order."""
    rate, limit = configuration.sample_rate, configuration.limit
    if rate is None and limit is None:
        return list(records)
    places = [_place(record.key) for record in records]
    most = 1.0 if rate is None else rate
    left = [number for number, place in enumerate(places) if place < most]
    if limit is not None:
        left = sorted(sorted(left, key=lambda number: (places[number], number))[:limit])
    return [records[number] for number in left]


def _place(key: str) -> float:
    """Return a number in [0, 1) by which a key is drawn."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[: _BITS // 8]) / float(1 << _BITS)

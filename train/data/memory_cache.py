"""In-memory cache of decoded samples with a limit in bytes."""

from __future__ import annotations

import threading

from train.data.augment import DecodedSample


class DecodedCache:
    """Decoded samples by index, at most ``limit`` bytes together; thread-safe.

    Nothing is evicted: an epoch visits every sample once, so the least recently used one is the next to be needed.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: dict[int, DecodedSample] = {}
        self._adding = threading.Lock()
        self.nbytes = 0
        """Bytes of the cached samples."""

    def __len__(self) -> int:
        return len(self._items)

    def get(self, which: int) -> DecodedSample | None:
        """Return a sample, or None if it is not cached."""
        return self._items.get(which)

    def has_room(self, nbytes: int) -> bool:
        """Return whether a sample of ``nbytes`` would be cached."""
        return self.nbytes + nbytes <= self._limit

    def put(self, which: int, item: DecodedSample) -> None:
        """Cache a sample if there is room for it."""
        with self._adding:
            if which not in self._items and self.has_room(item.nbytes):
                self._items[which] = item
                self.nbytes += item.nbytes

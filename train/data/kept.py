"""Decoded samples that are kept for the next epochs, up to so many bytes."""

from __future__ import annotations

import threading

from train.data.augment import Item


class KeptItems:
    """Items by the number of their sample, of at most ``limit`` bytes together; several threads may use it.

    Nothing is ever dropped: an epoch comes by every sample once, so what was used longest ago is what comes next.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: dict[int, Item] = {}
        self._adding = threading.Lock()
        self.nbytes = 0
        """Bytes that they take."""

    def __len__(self) -> int:
        return len(self._items)

    def get(self, which: int) -> Item | None:
        """Return a sample's item, or None where it is not kept."""
        return self._items.get(which)

    def has_room(self, nbytes: int) -> bool:
        """Say whether an item of so many bytes would be kept."""
        return self.nbytes + nbytes <= self._limit

    def put(self, which: int, item: Item) -> None:
        """Keep an item, if there is room for it."""
        with self._adding:
            if which not in self._items and self.has_room(item.nbytes):
                self._items[which] = item
                self.nbytes += item.nbytes

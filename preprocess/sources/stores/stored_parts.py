"""A zip in an object store, whole or in parts, read by ranges.

Members that are read one after another, as labels are while a dataset is planned, are fetched ahead in growing pieces;
others cost one request each, and no more bytes than they have.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from common.storage.connection import open_url, with_retries
from preprocess.sources.packed.parts import Joined

_OPTION = "--src"
_GAP = 1 << 20
"""Bytes between two reads from which on they are not taken for consecutive ones."""
_FIRST = 1 << 18
_MOST = 1 << 23
"""Bytes that are fetched ahead at first, and at most: 8 MiB."""
_PIECES = 8
"""Pieces that a process keeps of a zip, 64 MiB at most."""


@dataclass(frozen=True)
class StoredParts(Joined):
    """The parts of a zip below a URL; ``paths`` are their names in its folder."""

    folder: str = ""
    """The URL of the folder"""

    @property
    def places(self) -> tuple[str, ...]:
        """Return the URLs of the parts, for messages."""
        return tuple(f"{self.folder}/{path}" for path in self.paths)

    def read(self, offset: int, count: int) -> bytes:
        """Return up to ``count`` bytes from ``offset``, fewer at the end. Raise OSError, UserError after retries."""
        return _ahead_of(self).read(offset, min(count, self.size - offset))

    def fetch(self, offset: int, count: int) -> bytes:
        """Return these bytes by one request for each part that has some of them."""
        pieces: list[bytes] = []
        for place, size in zip(self.places, self.sizes, strict=True):
            if count > 0 and offset < size:
                pieces.append(_range_of(place, offset, min(size, offset + count)))
                count -= len(pieces[-1])
                offset = size
            offset -= size
        return b"".join(pieces)


def _range_of(url: str, start: int, end: int) -> bytes:
    files, path = open_url(_OPTION, url)
    # The other file systems open a file for it, which would fetch blocks of several MB.
    how: dict[str, Any] = {} if files.async_impl else {"cache_type": "none"}
    return bytes(with_retries(url, lambda: files.cat_file(path, start=start, end=end, **how)))


@dataclass
class _Ahead:
    """What a process has fetched of a zip beyond what was asked for."""

    source: StoredParts
    pieces: OrderedDict[int, bytes] = field(default_factory=OrderedDict)
    """Offset → bytes, the one that was used last at the end"""
    end: int = -1
    """Where the last read ended"""
    window: int = 0

    def read(self, offset: int, count: int) -> bytes:
        """Return these bytes, which the zip must have."""
        if count <= 0:
            return b""
        consecutive = self.end >= 0 and 0 <= offset - self.end <= _GAP
        self.end = offset + count
        for start, piece in self.pieces.items():
            if start <= offset and offset + count <= start + len(piece):
                self.pieces.move_to_end(start)
                return piece[offset - start : offset - start + count]
        self.window = min(_MOST, max(_FIRST, 2 * self.window)) if consecutive else 0
        data = self.source.fetch(offset, count + self.window)
        if self.window:
            self.pieces[offset] = data[: _MOST + _GAP]
            while len(self.pieces) > _PIECES:
                self.pieces.popitem(last=False)
        return data[:count]


@lru_cache(maxsize=64)
def _ahead_of(source: StoredParts) -> _Ahead:
    return _Ahead(source)

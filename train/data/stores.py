"""Where the files of a folder of shards lie: a folder of this machine, or (train.data.remote) a URL."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Protocol

from schemas import ShardEntry


class Store(Protocol):
    """The files of one folder of shards. What cannot be read raises OSError, or UserError once it was tried again."""

    def where(self, name: str) -> str:
        """Return the file's full name, for messages."""

    def whole(self, name: str) -> bytes:
        """Return a whole file."""

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""

    def block(self, shard: ShardEntry, offset: int, size: int) -> bytes:
        """Return bytes of a shard; fewer than ``size`` where it ends before."""


class LocalStore:
    """A folder of this machine, read at offsets: no file is gone through, several threads may read at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptors: dict[str, int] = {}
        self._opening = threading.Lock()

    def where(self, name: str) -> str:
        """Return the file's path."""
        return str(self._folder / name)

    def whole(self, name: str) -> bytes:
        """Return a whole file. Raise OSError."""
        return (self._folder / name).read_bytes()

    def size(self, name: str) -> int:
        """Return the size of a file in bytes. Raise OSError."""
        return (self._folder / name).stat().st_size

    def block(self, shard: ShardEntry, offset: int, size: int) -> bytes:
        """Return bytes of a shard. Raise OSError."""
        with self._opening:
            if shard.name not in self._descriptors:
                self._descriptors[shard.name] = os.open(self._folder / shard.name, os.O_RDONLY)
            descriptor = self._descriptors[shard.name]
        return os.pread(descriptor, size, offset)

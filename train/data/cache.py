"""A disk cache for shards at a URL: a folder of bounded size that processes may share."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from common.atomic import remove_stale, write_atomically
from common.errors import UserError
from common.storage import Storage
from schemas import ShardEntry

SUFFIX = ".block"
"""Suffix of block files; no other file in the folder is counted or removed."""

_LEDGER = "held-bytes"
"""The file with the total size of all blocks."""
_FILL = 0.9


class ShardRanges:
    """Byte ranges of the shards in a storage, read through a cache if there is one."""

    def __init__(self, storage: Storage, cache: BlockCache | None) -> None:
        self._storage = storage
        self._cache = cache

    def read(self, shard: ShardEntry, offset: int, size: int) -> bytes:
        """Return ``size`` bytes of a shard from ``offset`` on. Raise OSError or UserError, as the storage does."""
        if self._cache is None:
            return self._storage.read_range(shard.name, offset, size)
        # Named by the shard's content: a copy shares its blocks, a rebuilt shard does not.
        name = f"{shard.sha256[:32]}-{offset}-{size}{SUFFIX}"
        data = self._cache.get(name, size)
        if data is None:
            data = self._storage.read_range(shard.name, offset, size)
            self._cache.put(name, data)
        return data


class BlockCache:
    """Blocks of bytes by name (which ends with ``SUFFIX``), at most ``limit`` bytes together.

    The least recently used ones are evicted; a block's file has the time of its last use as its modification time.
    Blocks are written atomically. Writers lock the file with the total size, so that the limit holds for all processes
    together; readers need no lock.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        with self._turn() as ledger:  # the limit may be lower than last time, or a process was killed
            self._note(ledger, self._make_room(limit))

    def get(self, name: str, size: int) -> bytes | None:
        """Return a block of ``size`` bytes, or None if it is not cached."""
        path = self._folder / name
        try:
            data = path.read_bytes()
            os.utime(path)
        except FileNotFoundError:
            return None
        return data if len(data) == size else None

    def put(self, name: str, data: bytes) -> None:
        """Store a block, evicting others if necessary. Raise UserError if the folder is not writable."""
        if len(data) > self._limit:
            return
        with self._turn() as ledger:
            if (self._folder / name).exists():
                return
            held = self._held(ledger) + len(data)
            if held > self._limit:
                held = self._make_room(int(_FILL * self._limit) - len(data)) + len(data)
            self._note(ledger, held)  # before the block: if killed in between, the total is too high, not too low
            write_atomically(self._folder / name, data)

    @contextmanager
    def _turn(self) -> Iterator[BinaryIO]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(self._folder / _LEDGER, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as ledger:
                fcntl.flock(ledger, fcntl.LOCK_EX)
                yield ledger
        except OSError as error:
            raise UserError(
                f"{self._folder}: {error.strerror}; set data.cache to another folder, or data.cache_bytes lower"
            ) from error

    def _held(self, ledger: BinaryIO) -> int:
        ledger.seek(0)
        return int(ledger.read())

    def _note(self, ledger: BinaryIO, held: int) -> None:
        ledger.seek(0)
        ledger.write(b"%020d" % held)
        ledger.flush()

    def _make_room(self, most: int) -> int:
        """Evict the least recently used blocks until at most ``most`` bytes remain; return how many remain."""
        remove_stale(self._folder, {path.stem.rpartition(".")[0] for path in self._folder.glob(f"*{SUFFIX}.*.tmp")})
        blocks = [(path.stat(), path) for path in self._folder.glob(f"*{SUFFIX}")]
        held = sum(status.st_size for status, _ in blocks)
        for status, path in sorted(blocks, key=lambda block: (block[0].st_mtime_ns, block[1].name)):
            if held <= most:
                break
            with suppress(FileNotFoundError):
                path.unlink()
            held -= status.st_size
        return held

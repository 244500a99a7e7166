"""Shards at a URL: byte ranges by fsspec, tried again where a connection breaks, kept in a bounded cache."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from common.remote import open_url, persist
from schemas import ShardEntry
from train.data.cache import SUFFIX, BlockCache


class RemoteStore:
    """The files below a URL. Raise UserError where fsspec knows no such URL or lacks the package for it."""

    def __init__(self, url: str, cache: BlockCache | None, wait: Callable[[float], None] = time.sleep) -> None:
        self._url = url.rstrip("/")
        self._cache = cache
        self._wait = wait
        self._files, _ = open_url("--shards", self._url)

    def where(self, name: str) -> str:
        """Return the file's URL."""
        return f"{self._url}/{name}"

    def whole(self, name: str) -> bytes:
        """Return a whole file, never from the cache. Raise FileNotFoundError or UserError."""
        size = self.size(name)
        return persist(self.where(name), lambda: self._exactly(name, 0, size), wait=self._wait)

    def size(self, name: str) -> int:
        """Return the size of a file in bytes. Raise FileNotFoundError or UserError."""

        def ask() -> int:
            size = self._files.info(self.where(name))["size"]
            if size is None:
                raise OSError("the server does not tell the size")
            return int(size)

        return persist(self.where(name), ask, wait=self._wait)

    def block(self, shard: ShardEntry, offset: int, size: int) -> bytes:
        """Return exactly these bytes of a shard, cached or not. Raise FileNotFoundError or UserError."""
        # Named by what the shard holds: the same block of another copy is the same, that of a rebuilt shard is not.
        name = f"{shard.sha256[:32]}-{offset}-{size}{SUFFIX}"
        data = self._cache.get(name, size) if self._cache else None
        if data is None:
            where = self.where(shard.name)
            data = persist(where, lambda: self._exactly(shard.name, offset, size), wait=self._wait)
            if self._cache:
                self._cache.put(name, data)
        return data

    def _exactly(self, name: str, offset: int, size: int) -> bytes:
        data: Any = self._files.cat_file(self.where(name), start=offset, end=offset + size)
        if len(data) != size:  # a connection cut short, or a server that sends the whole file in place of a range
            raise OSError(f"{len(data)} bytes came in place of {size}")
        return bytes(data)

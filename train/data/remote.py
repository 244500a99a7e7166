"""Shards at a URL: byte ranges by fsspec, tried again where a connection breaks, kept in a bounded cache."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

import fsspec

from schemas import ShardEntry, UserError
from train.data.cache import SUFFIX, BlockCache

ATTEMPTS = 5
"""How often a request is made before the run stops; the waits between double from half a second on, 7.5 s in all."""

_PACKAGES = {
    "http": "aiohttp", "https": "aiohttp", "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs",
    "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs", "sftp": "paramiko", "ssh": "paramiko", "hdfs": "pyarrow",
}  # fmt: skip

_Answer = TypeVar("_Answer")


class RemoteStore:
    """The files below a URL. Raise UserError where fsspec knows no such URL or lacks the package for it."""

    def __init__(self, url: str, cache: BlockCache | None, wait: Callable[[float], None] = time.sleep) -> None:
        self._url = url.rstrip("/")
        self._cache = cache
        self._wait = wait
        scheme = url.partition("://")[0]
        try:
            self._files, _ = fsspec.core.url_to_fs(self._url)
        except ImportError as error:
            package = _PACKAGES.get(scheme, "")
            told = f"pip install {package}" if package else " ".join(str(error).split())
            raise UserError(f"--shards {url}: {scheme}:// needs a package that is not installed; {told}") from error
        except ValueError as error:
            raise UserError(f"--shards {url}: {' '.join(str(error).split())}; give a folder or a URL") from error

    def where(self, name: str) -> str:
        """Return the file's URL."""
        return f"{self._url}/{name}"

    def whole(self, name: str) -> bytes:
        """Return a whole file, never from the cache. Raise FileNotFoundError or UserError."""
        size = self.size(name)
        return self._persist(name, lambda: self._exactly(name, 0, size))

    def size(self, name: str) -> int:
        """Return the size of a file in bytes. Raise FileNotFoundError or UserError."""

        def ask() -> int:
            size = self._files.info(self.where(name))["size"]
            if size is None:
                raise OSError("the server does not tell the size")
            return int(size)

        return self._persist(name, ask)

    def block(self, shard: ShardEntry, offset: int, size: int) -> bytes:
        """Return exactly these bytes of a shard, cached or not. Raise FileNotFoundError or UserError."""
        # Named by what the shard holds: the same block of another copy is the same, that of a rebuilt shard is not.
        name = f"{shard.sha256[:32]}-{offset}-{size}{SUFFIX}"
        data = self._cache.get(name, size) if self._cache else None
        if data is None:
            data = self._persist(shard.name, lambda: self._exactly(shard.name, offset, size))
            if self._cache:
                self._cache.put(name, data)
        return data

    def _exactly(self, name: str, offset: int, size: int) -> bytes:
        data: Any = self._files.cat_file(self.where(name), start=offset, end=offset + size)
        if len(data) != size:  # a connection cut short, or a server that sends the whole file in place of a range
            raise OSError(f"{len(data)} bytes came in place of {size}")
        return bytes(data)

    def _persist(self, name: str, ask: Callable[[], _Answer]) -> _Answer:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return ask()
            except FileNotFoundError as error:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.where(name)) from error
            except Exception as error:  # every file system of fsspec's has its own classes for a broken connection
                if attempt == ATTEMPTS:
                    told = " ".join(f"{type(error).__name__}: {error}".split())
                    raise UserError(
                        f"{self.where(name)}: cannot be read, {ATTEMPTS} attempts, the last one: {told}; "
                        "run the same command again once it can"
                    ) from error
                self._wait(0.5 * 2 ** (attempt - 1))
        raise AssertionError("unreachable")

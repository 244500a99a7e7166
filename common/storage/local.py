"""Storage in a local folder, or on a file system that several machines share."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from common.atomic import atomic_file, remove_stale, sync_folder, write_atomically


class LocalStorage:
    """The files of a folder. Every method raises OSError if the file system refuses."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptors: dict[str, int] = {}
        """Files read by range; they stay open, so that a read is one system call."""
        self._opening = threading.Lock()

    def __str__(self) -> str:
        return str(self._path)

    def __reduce__(self) -> tuple[type[LocalStorage], tuple[Path]]:
        return LocalStorage, (self._path,)  # descriptors and locks belong to one process

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._path.resolve().name

    def where(self, name: str) -> str:
        """Return a file's path, for messages."""
        return str(self._path / name)

    def prepare(self) -> None:
        """Create the folder."""
        self._path.mkdir(parents=True, exist_ok=True)

    def names(self) -> list[str]:
        """List the names of everything in the folder, sorted; empty if the folder does not exist."""
        return sorted(path.name for path in self._path.iterdir()) if self._path.exists() else []

    def is_file(self, name: str) -> bool:
        """Return whether the name is that of a regular file, not a folder or a link."""
        path = self._path / name
        return path.is_file() and not path.is_symlink()

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""
        return (self._path / name).stat().st_size

    def read(self, name: str) -> bytes:
        """Return a whole file."""
        return (self._path / name).read_bytes()

    def read_range(self, name: str, offset: int, size: int) -> bytes:
        """Return ``size`` bytes of a file from ``offset`` on, fewer if it ends earlier."""
        with self._opening:
            if name not in self._descriptors:
                self._descriptors[name] = os.open(self._path / name, os.O_RDONLY)
            descriptor = self._descriptors[name]
        return os.pread(descriptor, size, offset)

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading."""
        return (self._path / name).open("rb")

    def write(self, name: str, data: bytes) -> None:
        """Write a file atomically, through a temporary name."""
        write_atomically(self._path / name, data)

    def writing(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Yield a file with a temporary name, which is renamed to ``name`` when the block ends."""
        return atomic_file(self._path / name)

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""
        (self._path / name).unlink(missing_ok=True)

    def settle(self) -> None:
        """Make removals durable."""
        sync_folder(self._path)

    def remove_stale(self, names: Collection[str]) -> None:
        """Remove the temporary files of dead writers; a living writer's stay."""
        remove_stale(self._path, names)

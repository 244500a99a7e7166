"""Where a folder of shards lies: on this machine, or (preprocess.sharding.object_store) at a URL."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from common.atomic import atomic_file, remove_stale, sync_folder, write_atomically


class Folder(Protocol):
    """The files of one folder, by name. ``str`` gives it as the command line does; can be sent to other processes.

    A file is there whole or not at all. What cannot be read or written raises OSError, or UserError once it was tried
    again.
    """

    @property
    def name(self) -> str:
        """The last part of the path or URL."""

    def prepare(self) -> None:
        """Make the folder, where it is missing and can be made."""

    def names(self) -> list[str]:
        """Return the names of all that lies in it, in order; none where there is no such folder."""

    def is_file(self, name: str) -> bool:
        """Say whether what has the name is a file, no folder and no link."""

    def read(self, name: str) -> bytes:
        """Return a whole file."""

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading; it can be read from any offset."""

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""

    def write(self, name: str, data: bytes) -> None:
        """Write a file; once this returns it lasts."""

    def writing(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Give a file to write to that takes the name as the block ends; where it raises, nothing stays."""

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""

    def settle(self) -> None:
        """Make what was removed stay away."""

    def remove_stale(self, names: Collection[str]) -> None:
        """Remove what dead writers of files with these names have left."""


class LocalFolder:
    """A folder of this machine, or one that several machines share."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._path.resolve().name

    def prepare(self) -> None:
        """Make the folder. Raise OSError."""
        self._path.mkdir(parents=True, exist_ok=True)

    def names(self) -> list[str]:
        """Return the names of all that lies in it, in order. Raise OSError."""
        return sorted(path.name for path in self._path.iterdir()) if self._path.exists() else []

    def is_file(self, name: str) -> bool:
        """Say whether what has the name is a file, no folder and no link."""
        path = self._path / name
        return path.is_file() and not path.is_symlink()

    def read(self, name: str) -> bytes:
        """Return a whole file. Raise OSError."""
        return (self._path / name).read_bytes()

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading. Raise OSError."""
        return (self._path / name).open("rb")

    def size(self, name: str) -> int:
        """Return the size of a file in bytes. Raise OSError."""
        return (self._path / name).stat().st_size

    def write(self, name: str, data: bytes) -> None:
        """Write a file by way of a temporary name. Raise OSError."""
        write_atomically(self._path / name, data)

    def writing(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Give a file with a temporary name that takes ``name`` as the block ends. Raise OSError."""
        return atomic_file(self._path / name)

    def remove(self, name: str) -> None:
        """Remove a file, if there is one. Raise OSError."""
        (self._path / name).unlink(missing_ok=True)

    def settle(self) -> None:
        """Make what was removed stay away. Raise OSError."""
        sync_folder(self._path)

    def remove_stale(self, names: Collection[str]) -> None:
        """Remove the temporary files of dead writers; a living writer's stay."""
        remove_stale(self._path, names)


def open_folder(location: Path | str | Folder, option: str) -> Folder:
    """Return the folder at a path or a URL, itself where it is one already. Raise UserError for what is neither.

    ``option`` is the command line's that gave the location, for messages.
    """
    if isinstance(location, Path) or (isinstance(location, str) and "://" not in location):
        return LocalFolder(Path(location))
    if isinstance(location, str):
        from preprocess.sharding.object_store import (
            RemoteFolder,  # 0.2 s that a folder of this machine need not wait for
        )

        return RemoteFolder(location, option)
    return location

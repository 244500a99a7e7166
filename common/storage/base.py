"""What every storage can do, wherever its files are."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol


class Storage(Protocol):
    """The files of one folder, by name. ``str`` gives the folder as the command line does.

    A file exists whole or not at all. Several threads may read at once, and a storage can be sent to other processes.
    What cannot be read or written raises OSError, or UserError after retries.
    """

    @property
    def name(self) -> str:
        """The last part of the path or URL."""

    def where(self, name: str) -> str:
        """Return a file's full path or URL, for messages."""

    def prepare(self) -> None:
        """Create the folder where it is missing, or check that it can be written to."""

    def names(self) -> list[str]:
        """List the names of everything in the folder, sorted; empty where there is no such folder."""

    def is_file(self, name: str) -> bool:
        """Say whether the name is that of a file: no folder, no link."""

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""

    def read(self, name: str) -> bytes:
        """Return a whole file."""

    def read_range(self, name: str, offset: int, size: int) -> bytes:
        """Return ``size`` bytes of a file from ``offset`` on.

        A file that ends before that gives fewer bytes, or raises. A file must not be replaced between two calls: the
        second may read the old one.
        """

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading; it can be read from any offset."""

    def write(self, name: str, data: bytes) -> None:
        """Write a file; it is durable once this returns."""

    def writing(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Yield a file to write to, which takes the name as the block ends; where the block raises, nothing stays."""

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""

    def settle(self) -> None:
        """Make removals durable."""

    def remove_stale(self, names: Collection[str]) -> None:
        """Remove what dead writers of files with these names left behind."""

"""The protocol that every storage implements."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol


class Storage(Protocol):
    """The files of one folder, by name. ``str`` gives the folder as on the command line.

    A file exists whole or not at all. Several threads may read at once, and a storage can be pickled. Failed reads and
    writes raise OSError, or UserError after retries.
    """

    @property
    def name(self) -> str:
        """The last part of the path or URL."""

    def where(self, name: str) -> str:
        """Return a file's full path or URL, for messages."""

    def prepare(self) -> None:
        """Create the folder if it is missing, or check that it is writable."""

    def names(self) -> list[str]:
        """List the names of everything in the folder, sorted; empty if the folder does not exist."""

    def is_file(self, name: str) -> bool:
        """Return whether the name is that of a regular file, not a folder or a link."""

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""

    def read(self, name: str) -> bytes:
        """Return a whole file."""

    def read_range(self, name: str, offset: int, size: int) -> bytes:
        """Return ``size`` bytes of a file from ``offset`` on.

        If the file ends earlier, fewer bytes are returned, or it raises. A file must not be replaced between two
        calls: the second may read the old one.
        """

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading; it is seekable."""

    def write(self, name: str, data: bytes) -> None:
        """Write a file; it is durable once this returns."""

    def writing(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Yield a file to write to, which gets the name when the block ends; if the block raises, it is removed."""

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""

    def settle(self) -> None:
        """Make removals durable."""

    def remove_stale(self, names: Collection[str]) -> None:
        """Remove temporary files that dead writers of these names left behind."""

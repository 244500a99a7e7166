"""The files of a data set below one folder: their relative names, sizes and bytes."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from preprocess.faults import RecordError
from schemas import UserError


class Files:
    """Read access to a folder, by names relative to it with '/' between parts; nothing outside it can be reached."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise UserError(f"--src {root}: no such folder; give the folder that the data set was unpacked to")
        self.root = root

    def walk(self) -> Iterator[tuple[str, list[str]]]:
        """Yield each folder's relative name and the names of its files, both sorted; links are not followed."""
        for folder, folders, names in os.walk(self.root):
            folders.sort()
            relative = os.path.relpath(folder, self.root).replace(os.sep, "/")
            yield ("" if relative == "." else relative), sorted(names)

    def read(self, path: str) -> bytes:
        """Return a file's bytes. Raise RecordError `unreadable-file`."""
        try:
            return (self.root / path).read_bytes()
        except OSError as error:
            raise RecordError("unreadable-file", path, f"{error.strerror}; check the disk or fetch it anew") from error

    def size(self, path: str) -> int:
        """Return a file's size in bytes, -1 where it cannot be had."""
        try:
            return (self.root / path).stat().st_size
        except OSError:
            return -1


def normal(name: str) -> str:
    """Return the name in composed Unicode: some file systems and unzip programs hand Korean out decomposed."""
    return unicodedata.normalize("NFC", name)

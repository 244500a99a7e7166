"""Atomic writing of synthetic files, and the error for invalid requests."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

PART: Final = ".part"
"""Suffix of a file that is being written."""


def replace_file(path: Path, data: bytes) -> None:
    """Write a file atomically."""
    part = path.with_name(path.name + PART)
    try:
        part.write_bytes(data)
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


class DrawnDataError(ValueError):
    """A request for drawn data that cannot be met: a bad outfit, bad numbers, a folder that holds other files."""

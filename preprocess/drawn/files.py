"""How a drawn file reaches its final name: whole, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PART: Final = ".part"
"""Suffix of a file that is being written."""


def replace_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(path.name + PART)
    part.write_bytes(data)
    part.replace(path)

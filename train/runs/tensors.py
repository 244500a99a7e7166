"""Reading and writing safetensors files; errors of the file system are raised as OSError or UserError."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from common.errors import UserError
from common.text import one_line


def save_tensors(tensors: Mapping[str, Tensor], path: Path, header: dict[str, str] | None = None) -> None:
    """Write the tensors to a file, with a header's entries. Raise OSError if the file cannot be written."""
    try:
        save_file(dict(tensors), path, header)
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        code = int(number[1])
        raise OSError(code, os.strerror(code), str(path)) from error


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file. Raise UserError if it cannot be read."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read: {one_line(error)}") from error


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a file's tensors, by name, without reading them. Raise UserError if it cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  no mapping
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read: {one_line(error)}") from error


def is_complete(path: Path) -> bool:
    """Return whether the file is as long as its header says; the tensors themselves are not read."""
    try:
        with safe_open(path, framework="pt"):
            return True
    except (OSError, SafetensorError):
        return False

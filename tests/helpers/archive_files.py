"""Files in archives: what several tests of zips and tars ask of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from preprocess.faults import RecordError
from preprocess.planning.pairing import records
from preprocess.sources import Files, Record
from preprocess.sources.aihub import open_aihub


def cut(path: Path, names: list[str]) -> None:
    """Cut a file into as many parts as there are names."""
    data = path.read_bytes()
    size = -(-len(data) // len(names))
    path.unlink()
    for n, name in enumerate(names):
        path.with_name(name.format(offset=n * size)).write_bytes(data[n * size : (n + 1) * size])


def listed(files: Files) -> list[str]:
    """Return the paths of all files."""
    return [f"{folder}/{name}" for folder, names in files.walk() for name in names]


def reason(files: Files, path: str) -> str:
    """Return the fault of a file that cannot be read."""
    with pytest.raises(RecordError) as caught:
        files.read(path)
    return caught.value.reason


def contents(root: Path) -> list[tuple[Record, list[bytes]]]:
    """Return the records of a dataset and the bytes of their inputs."""
    files = Files(root)
    return [(record, [files.read(path) for path in record.inputs]) for record in records(open_aihub(files), "upper")]


def reading(files: Files, path: str, good: set[bytes]) -> list[str]:
    """Return what reading a file ends with that is not one of the good contents: nothing, or a fault."""
    try:
        return [] if files.read(path) in good else ["wrong bytes"]
    except RecordError as error:
        return [error.reason]

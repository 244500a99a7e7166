"""Folders that are costly to make: made once a run of the tests, by the worker that needs one first."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

OncePerRun = Callable[[str, Callable[[Path], object]], Path]
"""(name, what fills the folder) → the folder, which all workers share: tests read it or copy it."""


def once_per_run(factory: pytest.TempPathFactory) -> OncePerRun:
    """Return what makes a folder unless another worker has; the others wait until it is whole."""
    base = factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    root.mkdir(exist_ok=True)

    def folder(name: str, fill: Callable[[Path], object]) -> Path:
        made, complete = root / name, root / f"{name}.complete"
        with (root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not complete.exists():
                made.mkdir()  # a second attempt after a failure fails here, in one line
                fill(made)
                complete.touch()
        return made

    return folder

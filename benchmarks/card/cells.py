"""Structure of a run: parts and their cells; each cell is one figure or one test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from card.state import Record

if TYPE_CHECKING:  # torch takes seconds to import, and the runner does not need it
    import torch

Result = dict[str, Any]
"""Figures by name, JSON-serialisable."""


@dataclass(frozen=True)
class Site:
    """Where cells are measured."""

    device: torch.device
    folder: Path
    """Caches what cells share and what is slow to make: shards, run folders, chosen settings."""

    @property
    def is_rehearsal(self) -> bool:
        """Whether there is no GPU: cells then run at a tiny size, as a smoke test; their figures are meaningless."""
        return self.device.type == "cpu"


@dataclass(frozen=True)
class Cell:
    """One figure or one test, independent of the others."""

    name: str
    measure: Callable[[Site], Result]
    seconds: float = 240.0
    """Timeout in seconds, after which it is stopped and counts as failed."""
    expected: float = 30.0
    """Maximum expected seconds on an H100: it is not started if its part has less time left."""


@dataclass(frozen=True)
class Part:
    """Cells that belong to one table."""

    name: str
    cells: tuple[Cell, ...]
    table: Callable[[Mapping[str, Record]], str]
    """Records by cell → Markdown."""
    minutes: float = 9.5
    """Minutes per run; the remaining cells are left for the next run."""

"""Structure of a run: parts and their cells; each cell is one figure or one test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from card.state import Record

if TYPE_CHECKING:  # torch takes seconds to import, and the runner needs none of it
    import torch

Result = dict[str, Any]
"""Figures by name, as JSON holds them."""


@dataclass(frozen=True)
class Site:
    """Where cells are measured."""

    device: torch.device
    folder: Path
    """Keeps what cells share and what takes long to make anew: shards, run folders, chosen settings."""

    @property
    def is_rehearsal(self) -> bool:
        """Whether there is no card: cells then run tiny, to see that they run; their figures mean nothing."""
        return self.device.type == "cpu"


@dataclass(frozen=True)
class Cell:
    """One figure or one test, independent of the others."""

    name: str
    measure: Callable[[Site], Result]
    seconds: float = 240.0
    """It is stopped, and counts as failed, after so long."""
    expected: float = 30.0
    """What it takes on an H100 or less: it is not started where its part has less time left."""


@dataclass(frozen=True)
class Part:
    """Cells that belong to one table."""

    name: str
    cells: tuple[Cell, ...]
    table: Callable[[Mapping[str, Record]], str]
    """Records by cell → Markdown."""
    minutes: float = 9.5
    """Of one run. What is left then is for the next run."""

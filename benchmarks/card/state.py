"""The measurements so far, in one JSON file that is written atomically."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.atomic import write_atomically
from common.errors import UserError

STATE = "state.json"
IDENTITY = ("card", "commit")
"""What must be equal for figures to share a table."""
MADE = ("chosen", "learning", "logs", "wait")
"""Folders that depend on GPU and commit; the synthetic shards do not."""

Record = dict[str, Any]
"""One cell's: `seconds`, and either `result`, a dictionary of figures, or `error`, one line."""


@dataclass
class State:
    """The machine's description and one record per finished cell, by `part/cell`."""

    folder: Path
    machine: dict[str, str]
    cells: dict[str, Record] = field(default_factory=dict)

    @classmethod
    def opened(cls, folder: Path, machine: dict[str, str], *, fresh: bool = False) -> State:
        """Return the state in ``folder``, or an empty one. Raise UserError if it is of another GPU or commit."""
        if fresh:
            (folder / STATE).unlink(missing_ok=True)
            for name in MADE:
                shutil.rmtree(folder / name, ignore_errors=True)
        held = read(folder)
        if held is None:
            return cls(folder, machine)
        for name in IDENTITY:
            if held.machine.get(name) != machine.get(name):
                raise UserError(
                    f"{folder / STATE}: measured with {name} {held.machine.get(name)}, here it is {machine.get(name)}; "
                    "give --fresh to start over, or another --out"
                )
        return cls(folder, machine, held.cells)

    def finish(self, name: str, record: Record) -> None:
        """Record a cell and write the file."""
        self.cells[name] = record
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"machine": self.machine, "cells": self.cells}, indent=1)
        write_atomically(self.folder / STATE, f"{text}\n".encode())

    def of_part(self, part: str) -> dict[str, Record]:
        """Return the records of a part by their cell."""
        return {name.partition("/")[2]: record for name, record in self.cells.items() if name.startswith(f"{part}/")}


def read(folder: Path) -> State | None:
    """Return the state in ``folder``, None if there is none. Raise UserError if the file is invalid."""
    path = folder / STATE
    try:
        values = json.loads(path.read_text("utf-8"))
        return State(folder, dict(values["machine"]), dict(values["cells"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: cannot be read as a state ({error!r}); give --fresh, or another --out") from error

"""Run the cells that are not recorded yet, one after the other, and record each as it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from card.cells import Cell, Part, Result
from card.state import State

Execute = Callable[[Part, Cell, float], Result]
"""(part, cell, most seconds) → its figures; raises CellError if it fails."""
Clock = Callable[[], float]


class CellError(Exception):
    """A cell failed; the message is one line."""


def run_parts(
    parts: Sequence[Part],
    state: State,
    execute: Execute,
    *,
    minutes: float | None = None,
    retry: bool = False,
    say: Callable[[str], None] = print,
    clock: Clock = time.monotonic,
) -> list[str]:
    """Run the parts within their minutes, and all within ``minutes``; return the names of the remaining cells.

    A cell that fails is recorded with its error and does not stop the others; ``retry`` runs such cells again.
    """
    end = None if minutes is None else clock() + 60 * minutes
    failed_before = {name for name, record in state.cells.items() if "error" in record} if retry else set()
    for part in parts:
        part_end = clock() + 60 * part.minutes
        part_end = part_end if end is None else min(end, part_end)
        for cell in part.cells:
            name = f"{part.name}/{cell.name}"
            if name in state.cells and name not in failed_before:
                continue
            if clock() + cell.expected > part_end:
                say(f"{part.name}: its time is used up")
                break
            _run(part, cell, state, execute, cell.seconds if end is None else min(cell.seconds, end - clock()), say)
    return left(parts, state)


def left(parts: Iterable[Part], state: State) -> list[str]:
    """Return the names of the cells that are not recorded."""
    names = [f"{part.name}/{cell.name}" for part in parts for cell in part.cells]
    return [name for name in names if name not in state.cells]


def _run(part: Part, cell: Cell, state: State, execute: Execute, most: float, say: Callable[[str], None]) -> None:
    name, started = f"{part.name}/{cell.name}", time.monotonic()
    outcome: dict[str, Any]
    try:
        outcome = {"result": execute(part, cell, most)}
        verdict = "done"
    except CellError as error:
        if most < cell.seconds and "stopped after" in str(error):
            say(f"{name}: stopped by --minutes; it is left")
            return
        outcome = {"error": str(error)}
        verdict = f"failed: {error}"
    seconds = round(time.monotonic() - started, 1)
    state.finish(name, {**outcome, "seconds": seconds})
    say(f"{name}: {verdict}, {seconds:.0f} s")

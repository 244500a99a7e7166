"""Run a cell in a separate process, so that its GPU memory use and failures do not affect the next one."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from card.cells import Cell, Part, Result
from card.runner import CellError

RUN = Path(__file__).with_name("run.py")
_PATIENCE = 20.0
"""Seconds that a cell has to end after SIGINT."""
_PR_SET_PDEATHSIG = 1


def in_child(folder: Path, device: str, part: Part, cell: Cell, most: float) -> Result:
    """Run the cell as `run.py --cell`; its output goes to ``folder``/logs. Raise CellError if it fails."""
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    name = f"{part.name}-{cell.name}"
    log, figures = logs / f"{name}.log", logs / f"{name}.json"
    figures.unlink(missing_ok=True)
    command = [sys.executable, str(RUN), "--out", str(folder), "--device", device]
    code = run_logged([*command, "--cell", f"{part.name}/{cell.name}", "--figures", str(figures)], log, most)
    if code is None:
        raise CellError(f"stopped after {most:.0f} s; see {log.name}")
    if code != 0 or not figures.exists():
        raise CellError(last_line(log.read_text("utf-8", "replace")) or f"ended with status {code}")
    result: Result = json.loads(figures.read_text("utf-8"))
    return result


def run_logged(command: Sequence[str], log: Path, most: float, *, cwd: Path | None = None) -> int | None:
    """Run a command with its output in ``log``; return its status, None if it was stopped.

    The command leads a process group, which is ended as a whole, also where this process is interrupted; where this
    process is killed, Linux kills the command.
    """
    with log.open("wb") as file:
        process = subprocess.Popen(
            list(command), stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=cwd,
            start_new_session=True, preexec_fn=_end_with_parent,
        )  # fmt: skip
        try:
            return process.wait(max(most, 1.0))
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process)


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
    with contextlib.suppress(ProcessLookupError, PermissionError):  # remaining processes of its group
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def last_line(text: str) -> str:
    """Return the last non-empty line, at most 300 characters of it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""

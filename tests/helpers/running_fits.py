"""`trainer fit` in a process of its own, which a test interrupts."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

_PATIENCE = 600.0


def wait_for_steps(run: Path, steps: int, process: subprocess.Popen[str]) -> None:
    """Wait until the process has written so many lines of metrics; sleep meanwhile, as it needs the processor."""
    metrics = run / "metrics.jsonl"
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if metrics.exists() and metrics.read_text().count("\n") >= steps:
            return
        time.sleep(0.02)
    raise AssertionError("the run ended or hung before it had made its steps")

"""Helpers shared by the parts of the study: folders, programs, tables."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
DOCUMENT = ROOT / "docs/measurements/learning.md"
STAGES = ("base", "sr256", "sr1024")
COLUMNS = {
    "psnr_inside": "inside, dB", "ssim_inside": "SSIM inside", "retrieval@1": "R@1 of 20", "sleeve@1": "sleeve",
    "kind@1": "kind", "kept_psnr": "kept, dB", "psnr_outside": "outside, dB",
}  # fmt: skip


def program(name: str, *words: object) -> str:
    """Run one of the project's programs; progress is shown, standard output is returned."""
    command = [sys.executable, "-m", name, *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def fit(runs: Path, shards: Path, stage: str, config: Path, *settings: str) -> float:
    """Train a stage unless it is finished; return its minutes, for an interrupted run those since its last start."""
    done = runs / f"{stage}.minutes.json"
    if not done.exists():
        started = time.monotonic()
        program(
            "train", "fit", "--shards", shards, "--runs", runs, "--preset", "nano", "--stage", stage,
            "--config", config, *(word for setting in settings for word in ("--set", setting)),
        )  # fmt: skip
        done.write_text(json.dumps((time.monotonic() - started) / 60))
    minutes: float = json.loads(done.read_text())
    return minutes


def evaluated(runs: Path, folder: Path, swaps: int) -> dict[str, Any]:
    """Return the output of `trainer evaluate --truth`, cached."""
    path = runs / "evaluation.json"
    if not path.exists():
        found = program(
            "train", "evaluate", "--runs", runs, "--shards", folder / "shards", "--truth", folder / "aihub/truth",
            "--pairs", swaps, "--json",
        )  # fmt: skip
        path.write_text(found)
    result: dict[str, Any] = json.loads(path.read_text())
    return result


def header(*names: str) -> list[str]:
    """Return the first two lines of a table."""
    return [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]


def cells(values: dict[str, float]) -> str:
    """Return the figures of ``COLUMNS``; missing ones are empty."""
    digits = {name: 2 if "psnr" in name else 3 for name in COLUMNS}
    return " | ".join(f"{values[name]:.{digits[name]}f}" if name in values else "" for name in COLUMNS)


def write(mark: str, text: str) -> None:
    """Write a text between the markers in docs/measurements/learning.md, and print it."""
    pattern = re.compile(f"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
    DOCUMENT.write_text(pattern.sub(lambda found: f"{found[1]}{text}\n{found[2]}", DOCUMENT.read_text()))
    print(text, flush=True)

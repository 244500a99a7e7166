"""Whether the cascade learns: train it on drawn people, dress unseen people in unseen garments, compare with the truth.

    python benchmarks/learning.py [--folder learn] [--study NAME,NAME|all]

Draws a data set with the truth of swaps, builds its shards, trains `--preset mini`, and evaluates: what `make learn`
does. With ``--study`` it trains the base stages of ``STUDY`` instead, each with one thing changed. Whatever is there
already in the folder is not made again; a run that was stopped goes on. Writes the tables between the marks
`<!-- results -->` and `<!-- study -->` of docs/learning.md, and the sheet docs/learning.jpg.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent / "docs"
LOOKS, PEOPLE, SWAPS = 1500, 60, 100
COLUMNS = {
    "psnr_inside": "inside, dB", "ssim_inside": "SSIM inside", "retrieval@1": "right of 20", "sleeve@1": "sleeve",
    "kind@1": "kind", "kept_psnr": "kept, dB",
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One base stage of the study: what differs from `mini`'s."""

    name: str
    steps: int
    settings: tuple[str, ...] = ()


STUDY: tuple[Run, ...] = ()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("learn"))
    parser.add_argument("--study", help="names of runs, or all")
    given = parser.parse_args()
    prepare(given.folder)
    if given.study:
        wanted = [run for run in STUDY if given.study == "all" or run.name in given.study.split(",")]
        for run in wanted:
            study_run(given.folder, run)
        write("study", study_table(given.folder))
        return
    train(given.folder / "runs", given.folder, "--preset", "mini")
    write("results", result_table(evaluate(given.folder / "runs", given.folder)))
    sheet(given.folder)


def prepare(folder: Path) -> None:
    """Draw and build, both of which go on where they were stopped."""
    program("preprocess", "sample-data", "--out", folder / "aihub", "--looks", LOOKS, "--truth", PEOPLE)
    program("preprocess", "build-shards", "--src", folder / "aihub", "--out", folder / "shards")


def train(runs: Path, folder: Path, *settings: object) -> None:
    """Train and take down the minutes; those of a run that was stopped add up."""
    started = time.monotonic()
    program("train", "fit", "--shards", folder / "shards", "--runs", runs, *settings)
    path = runs / "minutes.json"
    before = json.loads(path.read_text()) if path.exists() else 0.0
    path.write_text(json.dumps(before + (time.monotonic() - started) / 60))


def evaluate(runs: Path, folder: Path) -> dict[str, Any]:
    """Return what `trainer evaluate` found, and the minutes of training."""
    path = runs / "evaluation.json"
    if not path.exists():
        found = program(
            "train", "evaluate", "--runs", runs, "--shards", folder / "shards", "--truth", folder / "aihub/truth",
            "--pairs", SWAPS, "--json",
        )  # fmt: skip
        path.write_text(found)
    result: dict[str, Any] = json.loads(path.read_text())
    return result | {"minutes": json.loads((runs / "minutes.json").read_text())}


def study_run(folder: Path, run: Run) -> None:
    runs = folder / "study" / run.name
    if not (runs / "evaluation.json").exists():
        settings = [word for setting in run.settings for word in ("--set", setting)]
        train(runs, folder, "--preset", "mini", "--stage", "base", "--steps", run.steps, *settings)
    evaluate(runs, folder)


def study_table(folder: Path) -> str:
    lines = [f"| run | changed | steps | minutes | {' | '.join(COLUMNS.values())} |", "|---" * (4 + len(COLUMNS)) + "|"]
    for run in STUDY:
        runs = folder / "study" / run.name
        if (runs / "evaluation.json").exists():
            found = evaluate(runs, folder)
            changed = ", ".join(f"`{setting}`" for setting in run.settings)
            cells = figures(found["truth"]["stages"]["base"]["dressed"])
            lines.append(f"| {run.name} | {changed} | {run.steps} | {found['minutes']:.1f} | {cells} |")
    return "\n".join(lines)


def result_table(found: dict[str, Any]) -> str:
    truth = found["truth"]
    head = (
        f"{truth['people']} people in garments that they never wear, {truth['swaps']} swaps; training took "
        f"{found['minutes']:.0f} minutes."
    )
    lines = [head, "", f"| stage | picture | {' | '.join(COLUMNS.values())} |", "|---" * (2 + len(COLUMNS)) + "|"]
    for stage, rows in truth["stages"].items():
        lines += [f"| {stage} | {row} | {figures(values)} |" for row, values in rows.items()]
    return "\n".join(lines)


def figures(values: dict[str, float]) -> str:
    digits = {name: 2 if "psnr" in name else 3 for name in COLUMNS}
    return " | ".join(f"{values[name]:.{digits[name]}f}" if name in values else "" for name in COLUMNS)


def sheet(folder: Path) -> None:
    """Dress eight people and show them."""
    out = folder / "samples"
    program("train", "sample", "--runs", folder / "runs", "--shards", folder / "shards", "--out", out)
    from PIL import Image

    Image.open(out / "sheet.png").convert("RGB").save(DOCS / "learning.jpg", quality=88)


def write(mark: str, table: str) -> None:
    """Put the table between the marks of docs/learning.md."""
    path = DOCS / "learning.md"
    pattern = re.compile(f"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
    path.write_text(pattern.sub(lambda found: f"{found[1]}{table}\n{found[2]}", path.read_text()))
    print(table)


def program(name: str, *words: object) -> str:
    """Run one of the project's programs; what it says of its progress is shown, what it prints is returned."""
    command = [sys.executable, "-m", name, *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()

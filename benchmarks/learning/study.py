"""Whether the base stage learns: train it on drawn people, dress unseen people in unseen garments, see who is right.

    python benchmarks/learning/study.py [--folder learn] [--study NAME,NAME|all]

Draws a data set with the truth of swaps, builds its shards, trains the base stage of base64.yaml, and evaluates: what
`make learn` does. With ``--study`` it trains the runs of ``STUDY`` instead. What is there already in the folder is not
made again; a run that was stopped goes on. Writes the tables between the marks `<!-- results -->` and `<!-- study -->`
of docs/learning.md, and the sheet docs/learning.jpg.
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

from PIL import Image

ROOT = Path(__file__).parents[2]
RECIPE = Path(__file__).with_name("base64.yaml")
LOOKS, PEOPLE, SWAPS = 1500, 60, 96
COLUMNS = {
    "psnr_inside": "inside, dB", "ssim_inside": "SSIM inside", "retrieval@1": "right of 20", "sleeve@1": "sleeve",
    "kept_psnr": "kept, dB", "psnr_outside": "outside, dB",
}  # fmt: skip
PLAIN = ("diffusion.shown_std=null", "diffusion.t_shift=1.0", "data.jitter=0.0", "data.batch=16")


@dataclass(frozen=True)
class Run:
    """One run of the study: in what it differs from base64.yaml."""

    name: str
    steps: int
    settings: tuple[str, ...]


STUDY = (
    Run("fp32", 700, (*PLAIN, "precision=fp32", "diffusion.augmentation=0.1")),
    Run("bf16", 700, (*PLAIN, "diffusion.augmentation=0.1")),
    Run("clean conditions", 500, PLAIN),
    Run("shown_std", 500, (*PLAIN, "diffusion.shown_std=0.1")),
    Run("patch 4", 310, (
        *PLAIN, "diffusion.shown_std=0.1", "model.patch=4", "model.channels=[128,192]", "model.person_down=[1,1]",
        "model.garment_down=[1,1]",
    )),
    Run("late times", 500, (*PLAIN, "diffusion.shown_std=0.1", "diffusion.t_shift=10.0")),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("learn"))
    parser.add_argument("--study", help="names of runs, or all")
    given = parser.parse_args()
    prepare(given.folder)
    if given.study:
        for run in STUDY:
            if given.study == "all" or run.name in given.study.split(","):
                settings = [word for setting in run.settings for word in ("--set", setting)]
                train(given.folder / "study" / run.name, given.folder, "--steps", run.steps, *settings)
        write("study", study_table(given.folder))
        return
    train(given.folder / "runs", given.folder)
    write("results", result_table(evaluate(given.folder / "runs", given.folder)))
    sheet(given.folder)


def prepare(folder: Path) -> None:
    """Draw and build, both of which go on where they were stopped."""
    program("preprocess", "sample-data", "--out", folder / "aihub", "--looks", LOOKS, "--truth", PEOPLE)
    program("preprocess", "build-shards", "--src", folder / "aihub", "--out", folder / "shards")


def train(runs: Path, folder: Path, *settings: object) -> None:
    """Train and take down the minutes; those of a run that was stopped and is gone on with are the last ones alone."""
    done = runs / "minutes.json"
    if done.exists():
        return
    started = time.monotonic()
    program(
        "train", "fit", "--shards", folder / "shards", "--runs", runs, "--preset", "nano", "--stage", "base",
        "--config", RECIPE, *settings,
    )  # fmt: skip
    done.write_text(json.dumps((time.monotonic() - started) / 60))


def evaluate(runs: Path, folder: Path) -> dict[str, Any]:
    """Return what `trainer evaluate` finds, and the minutes of training."""
    path = runs / "evaluation.json"
    if not path.exists():
        found = program(
            "train", "evaluate", "--runs", runs, "--shards", folder / "shards", "--truth", folder / "aihub/truth",
            "--pairs", SWAPS, "--json",
        )  # fmt: skip
        path.write_text(found)
    result: dict[str, Any] = json.loads(path.read_text())
    return result | {"minutes": json.loads((runs / "minutes.json").read_text())}


def study_table(folder: Path) -> str:
    lines = [
        f"| run | settings | steps | minutes | {' | '.join(COLUMNS.values())} |",
        "|---" * (4 + len(COLUMNS)) + "|",
    ]
    for run in STUDY:
        runs = folder / "study" / run.name
        if (runs / "minutes.json").exists():
            found = evaluate(runs, folder)
            settings = ", ".join(f"`{setting}`" for setting in run.settings)
            cells = figures(found["truth"]["stages"]["base"]["dressed"])
            lines.append(f"| {run.name} | {settings} | {run.steps} | {found['minutes']:.1f} | {cells} |")
    return "\n".join(lines)


def result_table(found: dict[str, Any]) -> str:
    truth = found["truth"]
    lines = [
        f"{truth['people']} people in garments that they never wear, {truth['swaps']} swaps; training took "
        f"{found['minutes']:.0f} minutes.",
        "", f"| picture | {' | '.join(COLUMNS.values())} |", "|---" * (1 + len(COLUMNS)) + "|",
    ]  # fmt: skip
    lines += [f"| {row} | {figures(values)} |" for row, values in truth["stages"]["base"].items()]
    return "\n".join(lines)


def figures(values: dict[str, float]) -> str:
    digits = {name: 2 if "psnr" in name else 3 for name in COLUMNS}
    return " | ".join(f"{values[name]:.{digits[name]}f}" if name in values else "" for name in COLUMNS)


def sheet(folder: Path) -> None:
    """Dress eight people and show them."""
    out = folder / "samples"
    program("train", "sample", "--runs", folder / "runs", "--shards", folder / "shards", "--out", out)
    Image.open(out / "sheet.png").convert("RGB").save(ROOT / "docs/learning.jpg", quality=88)


def write(mark: str, table: str) -> None:
    """Put the table between the marks of docs/learning.md."""
    path = ROOT / "docs/learning.md"
    pattern = re.compile(f"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
    path.write_text(pattern.sub(lambda found: f"{found[1]}{table}\n{found[2]}", path.read_text()))
    print(table)


def program(name: str, *words: object) -> str:
    """Run one of the project's programs; what it says of its progress is shown, what it prints is returned."""
    command = [sys.executable, "-m", name, *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()

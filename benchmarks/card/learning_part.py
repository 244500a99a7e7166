"""Learning on synthetic people in fixed minutes: the paper's recipe as in `small`, and nano's at that size."""

from __future__ import annotations

import json
import math
import signal
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from card.cells import Cell, Part, Result, Site
from card.child import run_logged
from card.drawn import drawn_shards
from card.machine import ROOT
from card.state import Record
from card.tables import row, table
from PIL import Image

from train.configuration.stage_config import Stage
from train.runs.run_folder import RunFolder

LOOKS, MINUTES = 400, 2.0
SHEETS = ROOT / "docs" / "card"
_MOST_BYTES = 400_000
_GRACE = 120.0
"""Seconds that a run has to write its checkpoint, or to compile before its minutes count."""
_COMMON = ("data.batch=64", "validation.every=400", "checkpoint.every=1000")
RECIPE = ("optim.warmup=200", *_COMMON)
"""The preset's recipe, warmed up in fewer steps."""
RECIPE_OF: dict[Stage, tuple[str, ...]] = {
    "base": ("data.jitter=0.04",), "sr256": ("data.jitter=0.04",), "sr1024": (),
}  # fmt: skip

PLAIN = (
    "optim.name=adam", "optim.lr=1e-4", "optim.decay=constant", "optim.betas=[0.9,0.999]", "optim.warmup=200",
    "diffusion.prediction=eps", "diffusion.residual_std=null", "diffusion.t_shift=1", "diffusion.drop=0.1",
    "diffusion.augmentation=1", "sampling.sampler=ddpm", "sampling.steps=256", "sampling.guidance=2",
    "diffusion.shown_std=null", "diffusion.hide_hem=false", "diffusion.keep_shown=false", "diffusion.warp_loss=0",
    "diffusion.edge_loss=0",
    "model.copies=false", "model.warp=false", "model.anchors=joints", "model.pose_maps=false", *_COMMON,
)  # fmt: skip
"""The paper's recipe of the base stage in the preset's size, warmed up in fewer steps."""


@dataclass(frozen=True)
class Slice:
    """A number of minutes of one stage's run, which resumes from the previous slice."""

    number: int
    runs: str
    stage: Stage
    settings: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.number:02d}-{self.runs}-{self.stage}"


def slices() -> list[Slice]:
    """Return the slices in the order in which they are trained."""
    order: list[tuple[str, Stage]] = [("recipe", "base"), ("recipe", "base"), ("recipe", "sr256"), ("plain", "base"),
                                      ("recipe", "base"), ("recipe", "sr1024")]  # fmt: skip
    return [
        Slice(number, runs, stage, (*RECIPE, *RECIPE_OF[stage]) if runs == "recipe" else PLAIN)
        for number, (runs, stage) in enumerate(order, 1)
    ]


def learning_part() -> Part:
    """Return the part; a slice takes twice its minutes, with planning, compiling and the sheet."""
    cells = [Cell(part.name, partial(learn, part=part), 480.0, 60 * MINUTES + 60) for part in slices()]
    return Part("learning", tuple(cells), learning_table)


def learn(site: Site, part: Slice) -> Result:
    """Train for the slice's minutes by `trainer fit`, then draw the sheet by `trainer sample`."""
    looks, seconds = (12, 6.0) if site.is_rehearsal else (LOOKS, 60 * MINUTES)
    shards, runs = drawn_shards(site.folder / f"drawn-{looks}", looks), site.folder / "learning" / part.runs
    preset = "nano" if site.is_rehearsal else "small"
    settings = (*part.settings, *(("data.batch=2", "validation.samples=2") if site.is_rehearsal else ()))
    sets = [word for setting in settings for word in ("--set", setting)]
    run = runs / part.stage
    before = max((int(path.name.removeprefix("step-")) for path in RunFolder(run).checkpoints.all()), default=0)
    train = ["fit", "--shards", str(shards), "--runs", str(runs), "--preset", preset, "--stage", part.stage, *sets]
    fit_for(train, seconds, run, before)
    out = site.folder / "learning" / f"sheet-{part.name}"
    sample = ["sample", "--shards", str(shards), "--runs", str(runs), "--out", str(out), "--pairs", "4"]
    log = out.with_suffix(".log")
    if run_logged(_trainer(sample), log, 240.0, cwd=ROOT) != 0:
        raise RuntimeError(f"trainer sample: {log.read_text('utf-8', 'replace').strip()[-200:]}")
    picture = site.folder / "learning" / f"{part.name}.jpg" if site.is_rehearsal else SHEETS / f"{part.name}.jpg"
    shrink(out / "sheet.png", picture)
    return learnt(run, before) | {"minutes": seconds / 60, "sheet": picture.name}


def _trainer(words: list[str]) -> list[str]:
    return [sys.executable, "-m", "train", *words]


def fit_for(words: list[str], seconds: float, run: Path, before: int) -> None:
    """Run `trainer fit` for the given time; it then writes a checkpoint. Raise RuntimeError if it fails.

    The time counts from its first step on, so that planning and compiling do not.
    """
    log = run.parent / f"fit-{run.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        process = subprocess.Popen(_trainer(words), stdout=file, stderr=subprocess.STDOUT, cwd=ROOT)
        try:
            waited = 0
            while process.poll() is None and last_step(run) <= before and waited < 2 * _GRACE:
                _wait(process, 1.0)
                waited += 1
            _wait(process, seconds)
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                _wait(process, _GRACE)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
    if process.returncode not in (0, 130):
        raise RuntimeError(f"trainer fit: {log.read_text('utf-8', 'replace').strip().splitlines()[-1][-200:]}")


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def _lines(run: Path) -> list[dict[str, float]]:
    try:
        text = (run / "metrics.jsonl").read_text("utf-8")
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


def last_step(run: Path) -> int:
    """Return the last recorded step of the run, 0 if there is none."""
    return max((int(line["step"]) for line in _lines(run)), default=0)


def learnt(run: Path, before: int) -> Result:
    """Summarise a run's metrics: steps, steps since ``before``, mean of the last losses, last validation."""
    lines = _lines(run)
    losses = [line["loss"] for line in lines if line.get("loss") is not None]
    validations = [line["validation"] for line in lines if "validation" in line]
    mean = statistics.mean(losses[-100:]) if losses else math.nan
    step = last_step(run)
    return {
        "steps": step - before,
        "step": step,
        "loss": mean if math.isfinite(mean) else None,
        "validation": validations[-1] if validations else None,
    }


def shrink(sheet: Path, picture: Path) -> None:
    """Write the sheet as a JPEG of at most 400 kB."""
    picture.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(sheet) as opened:
        image = opened.convert("RGB")
    for quality in (88, 80, 70, 60, 50):
        image.save(picture, quality=quality)
        if picture.stat().st_size <= _MOST_BYTES:
            return


def learning_table(records: Mapping[str, Record]) -> str:
    """Return the table, and the settings that it is about."""
    figures = {"minutes": ".1f", "steps": "d", "step": "d", "loss": ".4f", "validation": ".4f", "sheet": ""}
    rows = []
    for part in slices():
        cells = row(records, part.name, figures)
        cells[-1] = f"[{part.name}](card/{cells[-1]})" if cells[-1] else ""
        rows.append([part.number, part.stage, "the preset's" if part.runs == "recipe" else "the paper's", *cells])
    lines = [table(["slice", "stage", "recipe", "minutes", "steps", "step", "loss, last 100", "validation", "sheet"],
                   rows), ""]  # fmt: skip
    for stage, own in RECIPE_OF.items():
        lines.append(f"- {stage}, the preset's recipe: " + " ".join(f"`--set {one}`" for one in (*RECIPE, *own)))
    lines.append("- base, the paper's recipe: " + " ".join(f"`--set {one}`" for one in PLAIN))
    return "\n".join(lines)

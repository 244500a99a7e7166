"""Do larger networks learn faster, per image seen and per operation? Three widths and depths of one recipe."""

from __future__ import annotations

import json
import resource
from dataclasses import dataclass
from pathlib import Path

from study_tools import header, program, write

from train.configuration.settings import stage_config
from train.configuration.stage_config import StageConfig
from train.models import count_parameters
from train.training.flops import flops_per_image

LOOKS, PEOPLE, BATCH = 400, 40, 8
RECIPE = ("optim.decay=constant", "optim.warmup=50", f"data.batch={BATCH}", "checkpoint.keep=9")
"""A constant rate, so that a checkpoint is what a run of that length ends with."""


@dataclass(frozen=True)
class Size:
    """A network: nano's but for its width and depth."""

    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    rate: float
    """Learning rate."""
    checkpoints: tuple[int, ...]
    """Steps after which it is measured."""

    @property
    def folder(self) -> str:
        """Name of its run folder."""
        return f"{'-'.join(map(str, self.channels))}-{self.rate:g}"

    def settings(self) -> tuple[str, ...]:
        """Return it as values of `--set`."""
        garment_up = self.blocks[1:][::-1]  # not built, since Ic is concatenated, but checked
        return (
            f"model.channels={list(self.channels)}", f"model.person_down={list(self.blocks)}",
            f"model.garment_down={list(self.blocks)}", f"model.garment_up={list(garment_up)}",
            f"optim.lr={self.rate}", *RECIPE,
        )  # fmt: skip


# Muon's steps have the size of Adam's, whose best rate falls with the width: 3e-3 is that of `nano`.
SIZES = {
    "`nano`'s, 3e-3": Size((48, 64, 96), (1, 1, 1), 3e-3, (100, 200, 400)),
    "between, 3e-3": Size((64, 96, 192), (1, 2, 3), 3e-3, (100, 200)),
    "between, 1.5e-3": Size((64, 96, 192), (1, 2, 3), 1.5e-3, (100, 200)),
    "`small`'s, 1e-3": Size((64, 128, 256), (2, 3, 4), 1e-3, (100, 200)),
}


def sizes(folder: Path) -> None:
    """Draw the varied set, train the base stage in each size, and measure it at its checkpoints."""
    data, shards = folder / "sizes/aihub", folder / "sizes/shards"
    program("preprocess", "sample-data", "--out", data, "--looks", LOOKS, "--variety", "varied")
    program("preprocess", "build-shards", "--src", data, "--out", shards)
    lines = header(
        "width and depth, learning rate", "parameters, M", "GFLOP an image", "images seen", "TFLOP in all",
        "processor minutes", "validation loss", "right of 20", "of nearly its colour", "PSNR, dB",
    )  # fmt: skip
    for name, size in SIZES.items():
        config = stage_config("nano", "base", None, size.settings())
        runs = folder / "sizes" / size.folder
        for steps in size.checkpoints:
            minutes = _fit(runs, shards, steps, size.settings())
            lines.append(f"| {name} {_shape(config, steps)} | {minutes:.1f} | {_figures(runs, shards, steps)} |")
            write("sizes", "\n".join(lines))


def _shape(config: StageConfig, steps: int) -> str:
    operations, images = flops_per_image(config), steps * BATCH
    return (
        f"| {count_parameters(config.model) / 1e6:.1f} | {operations / 1e9:.1f} | {images:,} | "
        f"{operations * images / 1e12:.1f}"
    )


def _fit(runs: Path, shards: Path, steps: int, settings: tuple[str, ...]) -> float:
    """Train up to a step unless that was done; return the processor minutes from the first step on."""
    path = runs / "processor_seconds.json"
    spent: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
    if str(steps) not in spent:
        before = _processor_seconds()
        program(
            "train", "fit", "--shards", shards, "--runs", runs, "--preset", "nano", "--stage", "base",
            "--steps", steps, *(word for setting in settings for word in ("--set", setting)),
            "--set", f"validation.every={steps}", "--set", f"checkpoint.every={steps}",
        )  # fmt: skip
        spent[str(steps)] = max(spent.values(), default=0.0) + _processor_seconds() - before
        path.write_text(json.dumps(spent))
    return spent[str(steps)] / 60


def _processor_seconds() -> float:
    """Return what programs that have ended have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _figures(runs: Path, shards: Path, steps: int) -> str:
    path = runs / f"retrieval-{steps}.json"
    if not path.exists():
        found = program(
            "train", "evaluate", "--runs", runs, "--shards", shards, "--checkpoint", steps, "--pairs", PEOPLE,
            "--retrieval", 20, "--json",
        )  # fmt: skip
        path.write_text(found)
    dressed = json.loads(path.read_text())["retrieval"]["stages"]["base"]["dressed"]
    metrics = [json.loads(line) for line in (runs / "base/metrics.jsonl").read_text().splitlines()]
    loss = next(each["validation"] for each in metrics if each.get("step") == steps and "validation" in each)
    return f"{loss:.4f} | {dressed['right']:.3f} | {dressed['near_colour']:.3f} | {dressed['psnr']:.2f}"

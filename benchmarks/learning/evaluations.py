"""The base stage's score against the number of network evaluations, for each sampler."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import torch
from study_tools import COLUMNS, cells, header, write

from train.data import ShardFolder
from train.data.shards import Pixels
from train.diffusion.diffusion_config import SamplerName, SamplingConfig
from train.evaluation.swaps import MeasuredSize, measure_swaps
from train.inference.cascade import Overrides, TrainedStage, load_cascade
from train.inference.dress import Outfit, dress

CPU = torch.device("cpu")
SWAPS, STEPS, LONGEST = 48, (1, 2, 4, 8, 25), 64


def evaluations(folder: Path) -> None:
    """Dress the same people with every sampler, and with the fast preset."""
    shards, stage = ShardFolder(folder / "shards", "val"), load_cascade(folder / "runs", CPU)[0]
    lines = header("sampler", "evaluations", "s a picture", *COLUMNS.values())
    for sampler in get_args(SamplerName):
        for steps in (*STEPS, LONGEST):
            if steps > 1 or sampler == "ddim":  # in one step all samplers are the same
                lines.append(_row(sampler, steps, folder, shards, stage, Overrides(sampler=sampler, steps=steps)))
    slow = replace(stage, config=stage.config.model_copy(update={"sampling": SamplingConfig(steps=25, guidance=1.0)}))
    lines.append(_row("`--fast`", 25, folder, shards, slow, Overrides(fast=True)))
    write("sampling", "\n".join(lines))


def _row(
    name: str, steps: int, folder: Path, shards: ShardFolder, stage: TrainedStage, overrides: Overrides
) -> str:  # fmt: skip
    def dresser(outfits: Sequence[Outfit]) -> list[list[Pixels]]:
        return dress([stage], outfits, seed=0, overrides=overrides, device=CPU)

    size = MeasuredSize("base", stage.config.size, large=False)
    started = time.monotonic()
    found = measure_swaps(folder / "aihub/truth", shards, dresser, [size], SWAPS, 0, lambda *_: None)
    seconds = (time.monotonic() - started) / found.swaps
    return f"| {name} | {steps} | {seconds:.2f} | {cells(found.stages['base']['dressed'])} |"

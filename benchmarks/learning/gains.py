"""Each later stage against bicubic enlargement of its own input, given the true small picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from study_tools import header, write
from torch import Tensor

from train.data import Batch, BatchLoader, ShardFolder
from train.diffusion.conditioning import to_uint8
from train.inference.cascade import Overrides, TrainedStage, load_cascade, sample_stage
from train.training.step import stage_inputs

CPU = torch.device("cpu")
PICTURES, STEPS = 64, (1, 2, 4, 8)


def gains(folder: Path) -> None:
    """Enlarge 64 unseen people's pictures, shrunk by box averaging as in training, and compare with the originals."""
    lines = header("stage", "bicubic, dB", *(f"{steps} evaluations" for steps in STEPS))
    for stage in load_cascade(folder / "runs", CPU)[1:]:
        found = _measure(stage, ShardFolder(folder / "shards", "val"))
        name = f"{stage.config.stage}, {stage.config.low_res}² → {stage.config.size}²"
        figures = " | ".join(f"{found[steps]:.2f} ({found[steps] - found[0]:+.2f})" for steps in STEPS)
        lines.append(f"| {name} | {found[0]:.2f} | {figures} |")
    write("gains", "\n".join(lines))


def _measure(stage: TrainedStage, shards: ShardFolder) -> dict[int, float]:
    """Return the mean PSNR in dB after so many evaluations, 0 for bicubic."""
    values: dict[int, list[Tensor]] = {}
    whole = stage.config.model_copy(update={"crop": None})
    for batch in _batches(stage, shards):
        x, inputs = stage_inputs(batch, whole, CPU)
        assert inputs.low_res is not None
        low_res = to_uint8(inputs.low_res).float() / 127.5 - 1.0  # as the stage before hands it over
        inputs = replace(inputs, low_res=low_res)
        bicubic = F.interpolate(low_res, x.shape[2:], mode="bicubic", align_corners=False).clamp(-1, 1)
        made = {0: bicubic}
        for steps in STEPS:
            made[steps] = sample_stage(stage, inputs, 0, batch.positions, Overrides(steps=steps))
        for steps, picture in made.items():
            error = (picture - x).div(2).square().flatten(1).mean(1)
            values.setdefault(steps, []).append(-10 * error.log10())
    return {steps: float(torch.cat(psnr).mean()) for steps, psnr in values.items()}


def _batches(stage: TrainedStage, shards: ShardFolder) -> Iterator[Batch]:
    """Yield held-out people, neither flipped nor shifted."""
    data = stage.config.data.model_copy(update={"batch": 8, "flip": False, "jitter": 0.0})
    config = stage.config.model_copy(update={"crop": None, "data": data})
    batches = BatchLoader(shards, config).batches(0)
    for _ in range(PICTURES // 8):
        yield next(batches)
    batches.close()

"""A cascade whose weights are averages of a length that is chosen after training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from common.errors import UserError
from train.configuration.stage_config import LONGEST, STAGES, Stage
from train.inference.cascade import TrainedStage, assemble_stage
from train.runs.power_profiles import Profile
from train.runs.run_folder import RunFolder


@dataclass(frozen=True)
class Reconstructed:
    """A stage with the weights of an average."""

    stage: TrainedStage
    snapshots: int
    """How many it was combined from."""
    largest: float
    """The largest coefficient: in the tens, the snapshots' rounding shows."""


def reconstruct(runs: Path, length: float, step: int | None, only: Stage | None) -> list[Reconstructed]:
    """Return the stages of run folders, or one alone, with averages of a length after a step, by default the last.

    Raise UserError if a stage has no snapshots, or none up to that step.
    """
    if not 0 < length <= LONGEST:
        raise UserError(f"--length {length:g}: give a share of the training between 0 and {LONGEST}, as in 0.1")
    found = [
        _stage(run, length, step)
        for run in (RunFolder(runs / name) for name in ([only] if only else STAGES))
        if only or run.config_path.exists()
    ]
    if not found:
        raise UserError(f"--runs {runs}: no run folder in it; run trainer fit first")
    return found


def _stage(run: RunFolder, length: float, step: int | None) -> Reconstructed:
    if (config := run.read_config()) is None:
        raise UserError(f"{run}: no such run; run trainer fit first")
    steps = sorted({profile.step for profile in run.averages.all() if step is None or profile.step <= step})
    if not steps:
        raise UserError(
            f"{run}: no snapshot of averages"
            + (f" up to step {step}" if step else "")
            + "; train with --set averages.lengths=[0.05,0.1]"
        )
    weights, snapshots, largest = run.averages.reconstruct(Profile(step or steps[-1], length))
    stage = assemble_stage(config, weights, step or steps[-1], torch.device("cpu"))
    return Reconstructed(replace(stage, average=length), snapshots, largest)

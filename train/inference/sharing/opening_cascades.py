"""Open a trained cascade: a folder of run folders, or what `trainer export` wrote."""

from __future__ import annotations

from pathlib import Path

import torch

from common.errors import UserError
from train.configuration.stage_config import STAGES
from train.inference.cascade import TrainedStage, Weights, load_cascade
from train.inference.exporting import CASCADE, import_cascade
from train.runs.checkpoint_choice import LAST, OPTION, CheckpointChoice


def open_cascade(
    folder: Path, device: torch.device, weights: Weights = "ema", checkpoint: CheckpointChoice = LAST
) -> list[TrainedStage]:
    """Load the stages of run folders, with the chosen weights and checkpoints, or of an export, which has one of each.

    Raise UserError as `load_cascade` and `import_cascade` do, and for an export if other weights are requested.
    """
    if not (folder / CASCADE).is_file():
        if not (folder / STAGES[0]).is_dir():
            raise UserError(
                f"--runs {folder}: neither {CASCADE} nor a run folder {STAGES[0]} in it; run trainer fit first, or "
                "give a folder that trainer export wrote"
            )
        return load_cascade(folder, device, weights, checkpoint)
    if weights != "ema":
        raise UserError(f"--runs {folder}: an export has the EMA weights alone; give the run folders for --no-ema")
    if checkpoint != LAST:
        raise UserError(f"--runs {folder}: an export has one checkpoint a stage; give the run folders for {OPTION}")
    return import_cascade(folder, device)

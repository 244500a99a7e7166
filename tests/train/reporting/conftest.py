"""Run folders as `trainer fit` writes them, without the training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from train.configuration.settings import stage_config
from train.configuration.stage_config import LogConfig, Stage
from train.runs.run_folder import RunFolder
from train.training.metrics import Metrics, Status

WriteRun = Callable[..., Path]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """The folder that runs are written to."""
    return tmp_path / "runs"


@pytest.fixture
def write_run(runs: Path) -> WriteRun:
    """Write a run: (name, stage, settings, steps, steps of validations, steps of sheets)."""

    def write(
        name: str,
        stage: Stage = "base",
        settings: Sequence[str] = (),
        steps: int = 20,
        validated: Sequence[int] = (10, 20),
        sheets: Sequence[int] = (),
    ) -> Path:
        run = RunFolder(runs / name)
        run.claim_config(stage_config("nano", stage, None, ["steps=100", *settings]))
        metrics = Metrics(run, LogConfig(), 0)
        for step in range(1, steps + 1):
            metrics.record_step(
                Status(
                    stage=stage, step=step, steps=100, loss=1 / step, images_per_second=7.0, seconds=1.0 * step,
                    seconds_left=9.0, data_wait=0.25, memory_bytes=3 * 2**30, skipped=step // 10, replaced=step % 2,
                    grad_norm=2.0 / step, lr=1e-4, loss_scale=None, tflops=1.5, mfu=0.3,
                )
            )  # fmt: skip
            if step in validated:
                metrics.record_validation(step, 2 / step, [*(1 / (step + place) for place in range(9)), None])
        for step in sheets:
            path = run.sheet_path(step)
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(np.full((60, 90, 3), step, np.uint8)).save(path)
        return run.path

    return write

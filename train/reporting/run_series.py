"""Runs for the report, read from run folders of any version, including running and killed runs.

A series has one value per step; a curve is a series averaged down to fit a page.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from common.config_section import by_name
from common.errors import UserError
from train.configuration.stage_config import STAGES
from train.runs.metrics_file import Series, ValidationPoint
from train.runs.run_folder import RunFolder

MAX_POINTS: Final = 400
"""Maximum number of points of a curve."""
_DEPTH: Final = 3


@dataclass(frozen=True)
class Run:
    """One run."""

    name: str
    """Relative to the folder that was searched, with '/' between parts."""
    stage: str
    settings: dict[str, str]
    """All settings by their dotted name, values as JSON; and the identity of the shards."""
    steps: Series
    """The numbers of the steps, ascending; the series below have one value for each."""
    losses: Series
    speed: Series
    """Images per second, averaged since the run was last started."""
    waits: Series
    """Share of the time spent waiting for data, in [0, 1]."""
    memory: Series
    """Peak bytes."""
    norms: Series
    """Gradient norms before clipping."""
    rates: Series
    """Learning rates."""
    scales: Series
    """fp16's loss scales."""
    tflops: Series
    """10¹² floating-point operations per second, averaged since the run was last started."""
    mfu: Series
    """Share of the GPUs' peak, in [0, 1]."""
    skipped: int
    replaced: int
    validations: tuple[ValidationPoint, ...]
    sheets: dict[int, Path]
    """Sheets by step."""
    unreadable: int
    """Unreadable lines of metrics.jsonl."""
    changed: float
    """Time of the last write to metrics.jsonl, in seconds since the epoch; 0 before the first step."""


def read_runs(folder: Path) -> list[Run]:
    """Return all runs in a folder and up to three levels below, by stage and name.

    Raise UserError if there is none.
    """
    runs = [_read(run, folder) for run in RunFolder.find(folder, _DEPTH)]
    if not runs:
        raise UserError(f"--runs {folder}: no run folder in it; give one that trainer fit wrote, or a folder above it")
    order = {stage: place for place, stage in enumerate(STAGES)}
    return sorted(runs, key=lambda run: (order.get(run.stage, len(order)), run.stage, run.name))  # type: ignore[call-overload]


def _read(run: RunFolder, folder: Path) -> Run:
    config, data = run.documents()
    metrics = run.metrics.read()
    columns = metrics.columns
    stage = config.get("stage")
    return Run(
        name=run.path.relative_to(folder).as_posix() if run.path != folder else run.path.resolve().name,
        stage=stage if isinstance(stage, str) else "unknown",
        settings={name: _text(value) for name, value in (by_name(config) | by_name(data, "shards.")).items()},
        steps=columns["step"],
        losses=columns["loss"],
        speed=columns["images_per_second"],
        waits=columns["data_wait"],
        memory=columns["memory_bytes"],
        norms=columns["grad_norm"],
        rates=columns["lr"],
        scales=columns["loss_scale"],
        tflops=columns["tflops"],
        mfu=columns["mfu"],
        skipped=int(np.nan_to_num(columns["skipped"][-1:]).sum()),
        replaced=int(np.nan_to_num(columns["replaced"]).sum()),
        validations=metrics.validations,
        sheets=run.sheets(),
        unreadable=metrics.unreadable,
        changed=run.metrics.last_change(),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True)
class Curve:
    """Points (x, y), each the mean over ``stride`` steps; y is NaN if none of them has a value."""

    x: Series
    y: Series
    stride: int


def curve(steps: Series, values: Series) -> Curve:
    """Return the means of ``values`` over strides, each at the mean of its steps; the last stride may be shorter."""
    stride = max(1, -(-len(steps) // MAX_POINTS))
    return Curve(_means(steps, stride), _means(values, stride), stride)


def last_mean(values: Series) -> float:
    """Return the mean of the last twentieth, at least one value; NaN if there is none."""
    return float(_means(values[-max(1, len(values) // 20) :], max(1, len(values)))[0]) if len(values) else float("nan")


def _means(values: Series, stride: int) -> Series:
    padded = np.full(-(-len(values) // stride) * stride, np.nan)
    padded[: len(values)] = values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a stride without a number
        means: Series = np.nanmean(padded.reshape(-1, stride), axis=1)
    return means

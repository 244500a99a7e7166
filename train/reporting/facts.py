"""The page's tables: a summary of each run, and the settings in which the runs of a stage differ."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from train.reporting.run_series import Run, last_mean
from train.runs.metrics_file import Series

_GIB = 2**30
NONE = "–"
"""Shown in place of a missing number."""


@dataclass(frozen=True)
class Difference:
    """A setting in which the runs of a stage differ, and each run's value, in order."""

    setting: str
    values: tuple[str, ...]


def by_stage(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Group the runs, which are ordered by stage, by stage."""
    return {stage: list(of_stage) for stage, of_stage in groupby(runs, key=lambda run: run.stage)}


def differences(runs: Sequence[Run]) -> list[Difference]:
    """Return the settings in which the runs of a stage differ, by name; a run of an older version may lack some."""
    names = sorted({name for run in runs for name in run.settings})
    settings = [Difference(name, tuple(run.settings.get(name, NONE) for run in runs)) for name in names]
    return [setting for setting in settings if len(set(setting.values)) > 1]


def summary(run: Run) -> dict[str, str]:
    """Return a run's row of the summary, by column."""
    validations = [point for point in run.validations if math.isfinite(point.loss)]
    best = min(validations, key=lambda point: point.loss, default=None)
    steps = f"{int(run.steps[-1]):,}" if len(run.steps) else "0"
    planned = run.settings.get("steps", "")[:15]
    return {
        "steps": f"{steps} of {int(planned):,}" if planned.isdecimal() else steps,
        "training loss": number(last_mean(run.losses), ".4f"),
        "validation loss": number(validations[-1].loss if validations else math.nan, ".4f"),
        "best": f"{best.loss:.4f} at {best.step:,}" if best else NONE,
        "images/s": number(_last(run.speed), ".1f"),
        "TFLOP/s": number(_last(run.tflops), ".3g"),
        "MFU": number(_last(run.mfu), ".0%"),
        "grad norm": number(last_mean(run.norms), ".3g"),
        "data wait": number(_last(run.waits), ".1%"),
        "memory": number(_last(run.memory) / _GIB, ".2f", " GiB"),
        "skipped": f"{run.skipped:,}",
        "replaced": f"{run.replaced:,}",
    }


def _last(values: Series) -> float:
    return float(values[-1]) if len(values) else math.nan


def number(value: float, form: str, unit: str = "") -> str:
    """Format a number; a dash if it is not finite."""
    return f"{value:{form}}{unit}" if math.isfinite(value) else NONE

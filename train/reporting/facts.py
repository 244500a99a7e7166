"""What the page says of each run and stage in words and numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from train.reporting.curves import last_mean
from train.reporting.run_series import Run, Series

_GIB = 2**30
NONE = "–"
"""What stands where there is no number."""


@dataclass(frozen=True)
class Difference:
    """A setting that not all runs of a stage have in common, and each run's value, in order."""

    setting: str
    values: tuple[str, ...]


def by_stage(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Put the runs of each stage together, in order."""
    return {stage: list(of_stage) for stage, of_stage in groupby(runs, key=lambda run: run.stage)}


def differences(runs: Sequence[Run]) -> list[Difference]:
    """Return what the runs of a stage differ in, by name; a run of a version that has no such setting has none."""
    names = sorted({name for run in runs for name in run.settings})
    found = [Difference(name, tuple(run.settings.get(name, NONE) for run in runs)) for name in names]
    return [one for one in found if len(set(one.values)) > 1]


def summary(run: Run) -> dict[str, str]:
    """Return a run's row of the table, by column."""
    validated = [one for one in run.validations if math.isfinite(one.loss)]
    best = min(validated, key=lambda one: one.loss, default=None)
    steps = f"{int(run.steps[-1]):,}" if len(run.steps) else "0"
    planned = run.settings.get("steps", "")[:15]
    return {
        "steps": f"{steps} of {int(planned):,}" if planned.isdecimal() else steps,
        "training loss": number(last_mean(run.losses), ".4f"),
        "validation loss": number(validated[-1].loss if validated else math.nan, ".4f"),
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
    """Write a number, a dash for one that is not finite."""
    return f"{value:{form}}{unit}" if math.isfinite(value) else NONE

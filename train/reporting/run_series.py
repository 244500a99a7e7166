"""What run folders hold, read as it is found: of any version, of a run at work, or of one that was killed."""

from __future__ import annotations

import json
import math
import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from common.errors import UserError
from train.configuration.stage_config import STAGES
from train.data.opening import DATA
from train.runs.run_folder import CONFIG
from train.training.metrics import METRICS
from train.training.validation.loss import RANGES
from train.training.validation.sheets import sheets_of

_DEPTH: Final = 3
_NUMBERS: Final = (
    "step", "loss", "images_per_second", "data_wait", "memory_bytes", "skipped", "replaced",
    "grad_norm", "lr", "loss_scale", "tflops", "mfu",
)  # fmt: skip
_PASSED_BY: Final = ("checkpoints", "sheets", "tensorboard", "wandb")

Series = NDArray[np.float64]
"""(n,): one number a step; NaN where there is none."""


@dataclass(frozen=True)
class Validated:
    """One validation: its mean loss, and that of each range of t, NaN where there is none."""

    step: int
    loss: float
    by_time: tuple[float, ...]


@dataclass(frozen=True)
class Run:
    """One run folder."""

    name: str
    """Relative to the folder that was given, '/' between parts."""
    path: Path
    stage: str
    settings: dict[str, str]
    """All settings by their dotted name, values as JSON; and the shards that the run was begun with."""
    steps: Series
    """The numbers of the steps, rising; the series below are theirs."""
    losses: Series
    speed: Series
    """Images a second, on average since the run was last started."""
    waits: Series
    """Share of the time that was spent waiting for data, in [0, 1]."""
    memory: Series
    """Bytes, the most at a time."""
    norms: Series
    """Gradient norms before clipping."""
    rates: Series
    """Learning rates."""
    scales: Series
    """fp16's loss scales."""
    tflops: Series
    """10¹² floating-point operations a second, on average since the run was last started."""
    mfu: Series
    """Their share of the cards' peak, in [0, 1]."""
    skipped: int
    replaced: int
    validations: tuple[Validated, ...]
    sheets: dict[int, Path]
    """Sheets by their step."""
    unreadable: int
    """Lines of metrics.jsonl that are none."""
    changed: float
    """When it was last written to, in seconds of the file system's clock; 0 before the first step."""


def read_runs(folder: Path) -> list[Run]:
    """Return all runs in a folder and up to three levels below, by stage and name.

    Raise UserError where there is none.
    """
    found = [_read(path, folder) for path in _run_folders(folder)]
    if not found:
        raise UserError(f"--runs {folder}: no run folder in it; give one that trainer fit has written, or above it")
    order = {stage: place for place, stage in enumerate(STAGES)}
    return sorted(found, key=lambda run: (order.get(run.stage, len(order)), run.stage, run.name))  # type: ignore[call-overload]


def _run_folders(folder: Path) -> Iterator[Path]:
    for name, below, files in os.walk(folder):
        here = Path(name)
        if METRICS in files or CONFIG in files:
            yield here
        deep = len(here.relative_to(folder).parts) >= _DEPTH
        below[:] = [] if deep else sorted(one for one in below if one not in _PASSED_BY)


def _read(path: Path, folder: Path) -> Run:
    config = _document(path / CONFIG)
    data = _document(path / DATA)
    settings = dict(_flat(config)) | {f"shards.{name}": value for name, value in _flat(data)}
    steps, validations, unreadable = _metrics(path / METRICS)
    stage = config.get("stage")
    return Run(
        name=path.relative_to(folder).as_posix() if path != folder else path.resolve().name,
        path=path,
        stage=stage if isinstance(stage, str) else "unknown",
        settings=settings,
        steps=steps["step"],
        losses=steps["loss"],
        speed=steps["images_per_second"],
        waits=steps["data_wait"],
        memory=steps["memory_bytes"],
        norms=steps["grad_norm"],
        rates=steps["lr"],
        scales=steps["loss_scale"],
        tflops=steps["tflops"],
        mfu=steps["mfu"],
        skipped=int(np.nan_to_num(steps["skipped"][-1:]).sum()),
        replaced=int(np.nan_to_num(steps["replaced"]).sum()),
        validations=validations,
        sheets=sheets_of(path),
        unreadable=unreadable,
        changed=_changed(path / METRICS),
    )


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _flat(values: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _metrics(path: Path) -> tuple[dict[str, Series], tuple[Validated, ...], int]:
    """Return the steps' numbers by name, in order, the validations, and how many lines are neither."""
    numbers = array("d")  # of a million steps, objects would take a gigabyte
    validations: dict[int, Validated] = {}
    unreadable = 0
    for line in _lines(path):
        document = _parsed(line)
        if document is None or not math.isfinite(step := _number(document.get("step"))):
            unreadable += 1
        elif "validation" in document:
            by_time = document.get("validation_by_t")
            values = tuple(map(_number, by_time[:RANGES])) if isinstance(by_time, list) else ()
            validations[int(step)] = Validated(int(step), _number(document["validation"]), values)
        else:
            numbers.extend(_number(document.get(name)) for name in _NUMBERS)
    table = np.array(numbers, np.float64).reshape(-1, len(_NUMBERS))
    _, last = np.unique(table[::-1, 0], return_index=True)
    table = table[::-1][last]
    columns = {name: table[:, place] for place, name in enumerate(_NUMBERS)}
    return columns, tuple(validations[step] for step in sorted(validations)), unreadable


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from file
    except OSError:
        return


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _number(value: object) -> float:
    """Return a finite number as it is, all else as NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan

"""How long the card waits for the host: real runs of `fit_stage` on drawn shards."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from card.cells import Cell, Part, Result, Site
from card.drawn import drawn_shards
from card.state import Record
from card.tables import row, table
from card.workloads import chosen

from train.configuration.presets import Preset
from train.configuration.stage_config import STAGES, Stage
from train.data import ShardFolder
from train.hardware.cards import prepare
from train.hardware.machine import decoding_threads
from train.training.loop import fit_stage
from train.training.metrics import Status

LOOKS, SECONDS, TRACED = 400, 60.0, 3
WARM = 10
"""Steps before those that count: kernels are chosen and compiled in them, and some are traced."""
_BUSY = ("kernel", "gpu_memcpy", "gpu_memset")
_PRESETS: tuple[Preset, ...] = ("small", "nano")


def wait_part() -> Part:
    """Return the part."""
    cells = [Cell(f"{preset}-{stage}", partial(waits, preset=preset, stage=stage), seconds=420.0, expected=120.0)
             for preset in _PRESETS for stage in STAGES]  # fmt: skip
    return Part("wait", tuple(cells), wait_table)


def waits(site: Site, preset: Preset, stage: Stage) -> Result:
    """Train for a minute on drawn shards and compare the first steps' figures with the last one's."""
    looks, seconds = (12, 0.0) if site.is_rehearsal else (LOOKS, SECONDS)
    shards = drawn_shards(site.folder / f"drawn-{looks}", looks)
    prepare(site.device)
    config = chosen(site, preset, stage, compiled=not site.is_rehearsal)
    config = config.model_copy(update={
        "checkpoint": config.checkpoint.model_copy(update={"every": 10**9}),
        "validation": config.validation.model_copy(update={"every": 0, "sheet_every": 0}),
    })  # fmt: skip
    run = site.folder / "wait" / f"{preset}-{stage}"
    shutil.rmtree(run, ignore_errors=True)
    seen: list[Status] = []
    started: list[float] = []

    def report(status: Status) -> None:
        seen.append(status)
        if status.step == WARM:
            started.append(time.monotonic())

    def stop() -> bool:
        return bool(started) and len(seen) > WARM + 1 and time.monotonic() - started[0] >= seconds

    fit_stage(config, ShardFolder(shards, "train"), run, report, stop, profile=TRACED)
    found = shares(seen[WARM - 1], seen[-1], config.data.batch)
    found |= {
        "busy": busy_of(run),
        "batch": config.data.batch,
        "threads": decoding_threads(config.data.threads, on_card=not site.is_rehearsal),
        "cores": os.cpu_count(),
    }
    shutil.rmtree(run)
    return found


def shares(first: Status, last: Status, batch: int) -> Result:
    """Return images a second, and the share of the time that the host waited for data, between two steps."""
    seconds = last.seconds - first.seconds
    waited = last.data_wait * last.seconds - first.data_wait * first.seconds
    return {
        "steps": last.step - first.step,
        "images_per_second": (last.step - first.step) * batch / seconds,
        "data_wait": waited / seconds,
    }


def busy_of(run: Path) -> float | None:
    """Return the share of the traced steps in which the card computed or copied; None where none is traced."""
    traces = sorted((run / "profile").glob("step-*.json"))
    return busy_share(json.loads(traces[0].read_text("utf-8"))["traceEvents"]) if traces else None


def busy_share(events: Iterable[Mapping[str, Any]]) -> float | None:
    """Return the share of the time, from the first of the card's events to the end of the last, that any of them fills.

    ``events`` are those of a trace in Chrome's format. None where there is none of a card.
    """
    spans = sorted((float(e["ts"]), float(e["ts"]) + float(e["dur"])) for e in events if e.get("cat") in _BUSY)
    if not spans:
        return None
    busy, reached = 0.0, spans[0][0]
    for start, end in spans:
        busy += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return busy / (reached - spans[0][0]) if reached > spans[0][0] else None


def wait_table(records: Mapping[str, Record]) -> str:
    """Return the table."""
    figures = {"images_per_second": ".0f", "data_wait": ".1%", "busy": ".1%", "steps": "d", "batch": "d",
               "threads": "d", "cores": "d"}  # fmt: skip
    rows = [[cell.name.replace("-", " "), *row(records, cell.name, figures)] for cell in wait_part().cells]
    return table(
        ["stage, compiled", "images/s in the run", "host waits for data", "card busy, of the traced steps", "steps",
         "batch", "threads", "cores"], rows,
    )  # fmt: skip

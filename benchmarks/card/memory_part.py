"""Predicted against measured peak memory of a step: every preset, stage and precision."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from card.cells import Cell, Part, Result, Site
from card.state import Record
from card.tables import row, table
from card.workloads import PRECISIONS, Steps, cell_names, chosen, configured

from train.configuration.presets import Preset
from train.configuration.stage_config import STAGES, Stage, StageConfig
from train.hardware.cards import card_of, prepare
from train.hardware.precision import Precision
from train.hardware.world import SINGLE_PROCESS
from train.memory.search import CONTEXT, FRAGMENTATION, WORKSPACES, budget_of, peak_on

MICRO_BATCH = {"nano": 8, "small": 4, "paper": 2}
"""Samples per micro-batch; a step has two, so that gradients exist when the second begins."""


def memory_part() -> Part:
    """Return the part."""
    cells = [
        Cell(f"{preset}-{stage}-{precision}", partial(small_batch, preset=preset, stage=stage, precision=precision))
        for precision in ("bf16", "fp32", "fp16") for preset, stage in cell_names()
        if precision in PRECISIONS
    ]  # fmt: skip
    whole = [Cell(f"small-{stage}-chosen", partial(chosen_batch, preset="small", stage=stage)) for stage in STAGES]
    return Part("memory", (*whole, *cells), memory_table)


def small_batch(site: Site, preset: Preset, stage: Stage, precision: Precision) -> Result:
    """Measure a preset's step of two small micro-batches, eager."""
    micro = 1 if site.is_rehearsal else MICRO_BATCH[preset]
    config = configured(
        site, preset, stage, f"precision={precision}", f"memory.micro_batch={micro}", "compile=false",
    )  # fmt: skip
    data = config.data.model_copy(update={"batch": 2 * micro})
    return measured(site, config.model_copy(update={"data": data}))


def chosen_batch(site: Site, preset: Preset, stage: Stage) -> Result:
    """Measure the step that `trainer fit` would make, but eager."""
    return measured(site, chosen(site, preset, stage, compiled=False))


def measured(site: Site, config: StageConfig) -> Result:
    """Return bytes: what the plan predicts, and the peaks of a step in the middle of a run."""
    predicted = peak_on(config, SINGLE_PROCESS)
    found: dict[str, Any] = {
        "precision": config.precision,
        "micro_batch": config.memory.micro_batch or config.data.batch,
        "batch": config.data.batch,
        "predicted": predicted,
        "needed": int((predicted + CONTEXT + WORKSPACES) / (1 - FRAGMENTATION)),
    }
    card = card_of(site.device)
    if card is not None and predicted > budget_of(card.memory, running=True):
        return found | {"note": "does not fit"}
    if config.precision == "bf16" and card is not None and not card.has_bf16:
        return found | {"note": "no bf16 on this card"}
    prepare(site.device)
    steps = Steps(config, site.device)
    # The prefetched batch is on the GPU during a step; the plan counts it.
    waiting = [steps.batch, type(steps.batch)(*(_copied(value) for value in vars(steps.batch).values()))]
    steps.make(2)
    if site.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(site.device)
    steps.make(2)
    del waiting
    return found | (_peaks(site.device, predicted) if site.device.type == "cuda" else {})


def _peaks(device: torch.device, predicted: int) -> Result:
    free, total = torch.cuda.mem_get_info(device)
    allocated = torch.cuda.max_memory_allocated(device)
    return {
        "allocated": allocated,
        "reserved": torch.cuda.max_memory_reserved(device),
        "used": total - free,
        "ratio": allocated / predicted,
    }


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, torch.Tensor) else value


def memory_table(records: Mapping[str, Record]) -> str:
    """Return the table, in GiB."""
    figures = {"micro_batch": "d", "predicted": "", "allocated": "", "ratio": ".3f", "reserved": "", "needed": "",
               "used": "", "note": ""}  # fmt: skip
    shown = {name: _in_gib(record) for name, record in records.items()}
    rows = [[cell.name.replace("-", " "), *row(shown, cell.name, figures)] for cell in memory_part().cells]
    return table(
        ["step", "micro-batch", "predicted peak", "measured peak", "measured / predicted", "reserved",
         "predicted with context and reserve", "used, by the driver", "note"], rows,
    )  # fmt: skip


def _in_gib(record: Record) -> Record:
    if "error" in record:
        return record
    sizes = ("predicted", "needed", "allocated", "reserved", "used")
    result = record["result"]
    return {**record, "result": result | {n: f"{result[n] / 2**30:.2f}" for n in sizes if result.get(n) is not None}}

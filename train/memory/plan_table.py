"""A memory plan as a text table and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from common.config_section import by_name
from train.memory.search import StagePlan

GIB = 1 << 30


def as_json(plans: Sequence[StagePlan], memory: int) -> dict[str, Any]:
    """Return the plan as one object; sizes are bytes."""
    return {"memory_bytes": memory, "stages": {plan.config.stage: _stage(plan) for plan in plans}}


def _stage(plan: StagePlan) -> dict[str, Any]:
    print_of = plan.footprint
    return {
        "fits": plan.micro_batch > 0,
        "parameters": plan.parameters,
        "precision": plan.config.precision,
        "micro_batch": plan.micro_batch,
        "accumulation": plan.accumulation,
        "batch": plan.config.data.batch,
        "weights_bytes": print_of.weights,
        "gradients_bytes": plan.gradients,
        "optimizer_bytes": print_of.optimizer,
        "ema_bytes": print_of.ema,
        "previous_stage_bytes": print_of.previous,
        "activations_bytes": plan.activations,
        "peak_bytes": print_of.peak,
        "host_bytes": print_of.host,
        "needed_bytes": plan.needed,
        "settings": plan.settings,
    }


def as_text(plans: Sequence[StagePlan], memory: int) -> str:
    """Return a table in GiB, and the `trainer fit` commands that apply the chosen settings."""
    rows = [["GiB", *(plan.config.stage for plan in plans)]]
    rows.append(["parameters, M", *(f"{plan.parameters / 1e6:.1f}" for plan in plans)])
    parts: dict[str, list[int]] = {
        "weights": [plan.footprint.weights for plan in plans],
        "gradients": [plan.gradients for plan in plans],
        "optimizer": [plan.footprint.optimizer for plan in plans],
        "EMA weights": [plan.footprint.ema for plan in plans],
        "previous stage": [plan.footprint.previous for plan in plans],
        "activations": [plan.activations for plan in plans],
        "peak": [plan.footprint.peak for plan in plans],
        "host memory": [plan.footprint.host for plan in plans],
    }
    rows += [[name, *(f"{size / GIB:.2f}" for size in sizes)] for name, sizes in parts.items()]
    rows.append(["micro-batch", *(str(plan.micro_batch) for plan in plans)])
    rows.append(["passes a step", *(str(plan.accumulation) for plan in plans)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    return "\n".join([*lines, "", *(_words(plan, memory) for plan in plans)])


def _words(plan: StagePlan, memory: int) -> str:
    stage, preset = plan.config.stage, plan.config.preset
    if plan.micro_batch == 0:
        return (
            f"{stage}: does not fit {memory / GIB:.2f} GiB; the leanest exact settings take "
            f"{plan.needed / GIB:.2f} GiB at a micro-batch of 1: --memory {math.ceil(plan.needed / GIB)}GiB would do"
        )
    sets = " ".join(
        f"--set {name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in by_name(plan.settings).items()
    )
    return f"trainer fit --preset {preset} --stage {stage} {sets}"

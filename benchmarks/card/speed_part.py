"""Images per second, FLOP/s and utilisation of the step alone, with the settings that `trainer fit` chooses."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from card.cells import Cell, Part, Result, Site
from card.state import Record
from card.tables import row, table
from card.workloads import Steps, cell_names, chosen, seconds_each

from train.configuration.presets import Preset
from train.configuration.stage_config import Stage
from train.hardware.cards import peak_tflops, prepare
from train.hardware.world import SINGLE_PROCESS
from train.training.flops import flops_per_image
from train.training.metrics import peak_memory


def speed_part() -> Part:
    """Return the eager steps."""
    return Part("speed", _cells(compiled=False), speed_table)


def compiled_part() -> Part:
    """Return the compiled steps, which take minutes to compile."""
    return Part("compiled", _cells(compiled=True), speed_table)


def _cells(*, compiled: bool) -> tuple[Cell, ...]:
    return tuple(
        Cell(
            f"{preset}-{stage}",
            partial(speed, preset=preset, stage=stage, compiled=compiled),
            seconds=480.0,
            expected=90.0 if compiled else 45.0,
        )
        for preset, stage in cell_names()
    )


def speed(site: Site, preset: Preset, stage: Stage, *, compiled: bool) -> Result:
    """Time the step on a random batch on the GPU."""
    prepare(site.device)
    config = chosen(site, preset, stage, compiled=compiled)
    steps = Steps(config, site.device)
    first = steps.make()
    steps.make(2)
    seconds = seconds_each(steps.make, rounds=1 if site.is_rehearsal else 5, round_seconds=2.0)
    images = config.data.batch / seconds
    tflops = images * flops_per_image(config) / 1e12
    peak = peak_tflops(config.precision, SINGLE_PROCESS)
    return {
        "precision": config.precision,
        "batch": config.data.batch,
        "micro_batch": config.memory.micro_batch or config.data.batch,
        "savings": ", ".join(_savings(config.memory.model_dump())),
        "seconds": seconds,
        "first_seconds": first,
        "images_per_second": images,
        "tflops": tflops,
        "mfu": tflops / peak if peak else None,
        "peak": peak_memory(site.device) / 2**30,
        "threads": torch.get_num_threads(),
    }


def _savings(memory: dict[str, object]) -> list[str]:
    return [name for name, value in memory.items() if value is True]


def speed_table(records: Mapping[str, Record]) -> str:
    """Return the table of one of the two parts."""
    figures = {"precision": "", "micro_batch": "d", "batch": "d", "savings": "", "images_per_second": ".0f",
               "seconds": ".3f", "tflops": ".1f", "mfu": ".1%", "peak": ".1f", "first_seconds": ".1f"}  # fmt: skip
    rows = [[f"{preset} {stage}", *row(records, f"{preset}-{stage}", figures)] for preset, stage in cell_names()]
    return table(
        ["stage", "precision", "micro-batch", "batch", "memory settings", "images/s", "s a step", "TFLOP/s", "MFU",
         "peak, GiB", "first step, s"], rows,
    )  # fmt: skip

"""Seconds per image: every preset and stage, with its own sampler and with `--fast`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial

import torch
from card.cells import Cell, Part, Result, Site
from card.state import Record
from card.tables import row, table
from card.workloads import cell_names, given, synchronize
from torch import Tensor

from train.configuration.presets import Preset
from train.configuration.settings import validated_config
from train.configuration.stage_config import Stage, StageConfig
from train.diffusion.conditioning import TryOnInputs
from train.inference.cascade import (
    FAST_STEPS,
    Overrides,
    TrainedStage,
    assemble_stage,
    sample_stage,
    sampling_precision,
)
from train.inference.dress import batch_size_for
from train.models import build_model


def sampling_part() -> Part:
    """Return the part."""
    cells = [
        Cell(f"{preset}-{stage}", partial(seconds_an_image, preset=preset, stage=stage))
        for preset, stage in cell_names()
    ]
    return Part("sampling", tuple(cells), sampling_table)


def seconds_an_image(site: Site, preset: Preset, stage: Stage) -> Result:
    """Sample random inputs in batches as `trainer sample` does; random weights cost the same as trained ones."""
    precision = "bf16" if site.device.type == "cuda" else "fp32"
    config = validated_config({**given(site, preset, stage), "precision": precision}, stage)
    torch.manual_seed(0)
    weights = {name: value.detach().clone() for name, value in build_model(config.model).state_dict().items()}
    trained = assemble_stage(config, weights, 0, site.device)
    count = batch_size_for([trained], site.device)
    inputs = random_inputs(config, count, site.device)
    few = Overrides(steps=2)
    _seconds(trained, inputs, count, few, site.device)  # warm-up: kernels are selected
    found: Result = {"images": count, "precision": sampling_precision(config.precision, site.device)}
    for name, overrides in (("own", Overrides()), ("fast", Overrides(fast=True))):
        if site.is_rehearsal:
            overrides = few
        sampling = overrides.applied_to(trained.config.sampling)
        found |= {
            f"{name}_seconds": _seconds(trained, inputs, count, overrides, site.device) / count,
            f"{name}_sampler": f"{sampling.sampler}, {sampling.steps} steps, guidance {sampling.guidance:g}",
        }
    return found


def _seconds(stage: TrainedStage, inputs: TryOnInputs, count: int, overrides: Overrides, device: torch.device) -> float:
    synchronize(device)
    started = time.perf_counter()
    sample_stage(stage, inputs, 0, range(count), overrides)
    synchronize(device)
    return time.perf_counter() - started


def random_inputs(config: StageConfig, count: int, device: torch.device) -> TryOnInputs:
    """Return random inputs of a stage, the same every time: images in [-1, 1], poses in [0, 1]."""
    random = torch.Generator().manual_seed(0)

    def image(side: int) -> Tensor:
        return (2 * torch.rand(count, 3, side, side, generator=random) - 1).to(device)

    def pose() -> Tensor:
        return torch.rand(count, 17, 3, generator=random).to(device)

    low_res = image(config.low_res) if config.low_res else None
    if not config.is_try_on:
        return TryOnInputs(low_res=low_res)
    return TryOnInputs(image(config.size), image(config.size), pose(), pose(), low_res)


def sampling_table(records: Mapping[str, Record]) -> str:
    """Return the table."""
    figures = {"images": "d", "precision": "", "own_sampler": "", "own_seconds": ".3f", "fast_sampler": "",
               "fast_seconds": ".3f"}  # fmt: skip
    rows = [[f"{preset} {stage}", *row(records, f"{preset}-{stage}", figures)] for preset, stage in cell_names()]
    return table(
        ["stage", "at a time", "precision", "its own sampler", "s an image",
         f"--fast (at most {FAST_STEPS} steps)", "s an image"], rows,
    )  # fmt: skip

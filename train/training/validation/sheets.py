"""Sheets: the same held-out pairs sampled with the EMA weights at regular steps, one image file each."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from common.atomic import write_atomically
from common.errors import writing
from schemas import PERSON
from train.configuration.stage_config import StageConfig
from train.data import ShardFolder
from train.data.batches import to_size, to_tensor
from train.data.shards import Pixels
from train.diffusion.conditioning import downsample, from_uint8, to_uint8
from train.hardware.world import SINGLE_PROCESS, World
from train.inference.cascade import Overrides, TrainedStage, sample_stage
from train.inference.contact_sheet import contact_sheet
from train.inference.pair_selection import Pair, own_pairs, swapped_or_own_pairs
from train.inference.sampling import inputs_shown, pair_inputs
from train.training.state import Training
from train.training.validation.ema_weights import ema_weights, raise_if


def fixed_pairs(held_out: ShardFolder, config: StageConfig) -> list[Pair]:
    """Return the pairs of a run's sheets. Raise UserError if no person can be dressed.

    The base stage dresses people in garments of others, or, where no two samples can be swapped, in their own. A
    super-resolution stage gets the downsampled ground truth, which shows the person's own garment, and so that garment
    as Ic.
    """
    count = config.validation.sheet_pairs
    return own_pairs(held_out, count) if config.low_res else swapped_or_own_pairs(held_out, count)


def draw_sheet(
    training: Training,
    config: StageConfig,
    held_out: ShardFolder,
    pairs: list[Pair],
    device: torch.device,
    stop: Callable[[], bool],
    path: Path,
    world: World = SINGLE_PROCESS,
) -> Pixels | None:
    """Sample the pairs one after the other, and write and return the sheet. Raise Stopped once ``stop`` returns True.

    In distributed training every process samples all of them, and rank 0 writes; the others return None.
    """
    rows = []
    with ema_weights(training) as model:
        stage = TrainedStage(config, model, training.step)
        for pair in pairs:
            inputs = pair_inputs(stage, held_out, [pair], device)
            shown: list[Pixels] = []
            if config.low_res:
                truth = to_size(held_out.image(pair.person, PERSON), config.size)
                small = downsample(from_uint8(to_tensor([truth])).to(device), config.scale)
                inputs = replace(inputs, low_res=small)
                shown.append(_pixels(small))
            sampled = sample_stage(stage, inputs, 0, [pair.person], Overrides(), lambda *_: raise_if(stop))
            rows.append([*inputs_shown(held_out, pair), *shown, _pixels(sampled)])
    titles = ["person", "Ia", "garment, as worn", "Ic", *(["downsampled"] if config.low_res else []), "sampled"]

    def write() -> Pixels:
        file = io.BytesIO()
        sheet = contact_sheet(titles, rows)
        sheet.save(file, "PNG")
        with writing(path.parent):
            path.parent.mkdir(exist_ok=True)
            write_atomically(path, file.getvalue())
        return np.asarray(sheet)

    return world.run_on_main(write)


def _pixels(image: torch.Tensor) -> Pixels:
    pixels: Pixels = to_uint8(image)[0].permute(1, 2, 0).cpu().numpy()
    return pixels

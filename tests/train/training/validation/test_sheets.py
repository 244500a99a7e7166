"""Sheets: pairs of the split val, sampled with the EMA weights."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from train.configuration.stage_config import StageConfig
from train.data import ShardFolder
from train.runs.run_folder import RunFolder
from train.training.state import Training
from train.training.step import init_training
from train.training.validation.ema_weights import Stopped
from train.training.validation.sheets import draw_sheet, fixed_pairs

TinyConfig = Callable[..., StageConfig]
CPU = torch.device("cpu")


def drawn(
    training: Training, config: StageConfig, held_out: ShardFolder, path: Path
) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    draw_sheet(training, config, held_out, fixed_pairs(held_out, config), CPU, lambda: False, path)
    with Image.open(path) as picture:
        return np.array(picture)


@pytest.mark.parametrize(("stage", "columns"), [("base", 5), ("sr256", 6), ("sr1024", 6)])
def test_a_sheet_shows_the_ema_weights(
    shards: Path, tmp_path: Path, tiny: TinyConfig, stage: str, columns: int
) -> None:  # fmt: skip
    held_out, config = ShardFolder(shards, "val"), tiny(stage, "validation.sheet_pairs=2")
    training = init_training(config, CPU)
    first = drawn(training, config, held_out, tmp_path / "a.png")
    assert first.shape[1] == columns * 198 + 6
    assert first.shape[0] == 2 * 198 + 28 + 6
    with torch.no_grad():
        for parameter in training.model.parameters():
            parameter.fill_(0.3)
    assert np.array_equal(drawn(training, config, held_out, tmp_path / "b.png"), first)
    for value in training.ema.values():
        value.add_(0.05)
    assert not np.array_equal(drawn(training, config, held_out, tmp_path / "c.png"), first)


def test_the_base_stage_swaps_garments_and_others_upsample_the_truth(shards: Path, tiny: TinyConfig) -> None:
    held_out = ShardFolder(shards, "val")
    swapped = fixed_pairs(held_out, tiny("base", "validation.sheet_pairs=2"))
    assert all(held_out.sample(pair.person).item != held_out.sample(pair.garment).item for pair in swapped)
    own = fixed_pairs(held_out, tiny("sr256", "validation.sheet_pairs=2"))
    assert [pair.person for pair in own] == [pair.garment for pair in own] == [pair.person for pair in swapped]


def test_an_interrupted_sheet_leaves_no_file(shards: Path, tmp_path: Path, tiny: TinyConfig) -> None:
    held_out, config = ShardFolder(shards, "val"), tiny("base", "sampling.steps=50", "model.garment_film=static")
    training = init_training(config, CPU)
    calls: list[int] = []
    training.model.register_forward_hook(lambda *_: calls.append(1))
    path = RunFolder(tmp_path).sheet_path(7)
    with pytest.raises(Stopped):
        draw_sheet(training, config, held_out, fixed_pairs(held_out, config), CPU, lambda: len(calls) == 3, path)
    assert len(calls) == 3
    assert path == tmp_path / "sheets/step-00000007.png"
    assert not path.parent.exists()

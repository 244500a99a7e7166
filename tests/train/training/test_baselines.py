"""The baselines of the cross-attention go the whole way: fit, sample, plan, export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from train import TryOnCascade
from train.configuration.stage_config import StageConfig
from train.data import ShardFolder
from train.inference.cascade import Overrides, load_cascade
from train.inference.dress import dress
from train.inference.exporting import export_cascade
from train.inference.pair_selection import Pair, swapped_pairs
from train.inference.sampling import outfit_of
from train.memory.trace import trace
from train.training.loop import fit_stage

TinyConfig = Callable[..., StageConfig]

CPU = torch.device("cpu")

NO_WARP = ("model.warp=false", "model.copies=false", "diffusion.warp_loss=0")
BASELINES = {
    "concatenation": ("model.garment=concatenation", *NO_WARP),
    "none": ("model.garment=none", *NO_WARP),
}
"""Settings of the two baselines: without a picture of the garment where it belongs, either."""


@pytest.mark.parametrize("garment", BASELINES)
def test_a_baseline_is_trained_and_exported(garment: str, tiny: TinyConfig, shards: Path, tmp_path: Path) -> None:
    config = tiny("base", "steps=2", *BASELINES[garment])
    data = ShardFolder(shards, "val")
    assert fit_stage(
        config, ShardFolder(shards, "train"), tmp_path / "runs/base", report=lambda _: None, stop=lambda: False
    )
    stages = load_cascade(tmp_path / "runs", CPU)
    (pair,) = swapped_pairs(data, 1)
    outfits = [outfit_of(data, Pair(pair.person, at)) for at in (pair.person, pair.garment)]
    assert not np.array_equal(outfits[0].Ic, outfits[1].Ic)
    (own,), (other,) = dress(stages, outfits, seed=0, overrides=Overrides(), device=CPU)
    assert np.array_equal(own, other) == (garment == "none")
    export_cascade(stages, tmp_path / "export", None)
    outfit = outfits[1]
    loaded = TryOnCascade.load(tmp_path / "export")
    assert np.array_equal(loaded.dress(outfit.Ia, outfit.Ic, outfit.Jp, outfit.Jg, seed=0), other)


@pytest.mark.parametrize("garment", BASELINES)
def test_a_baseline_takes_less_memory(garment: str, tiny: TinyConfig) -> None:
    attention, baseline = (
        trace(tiny("base", *settings)) for settings in (("model.garment=cross-attention",), BASELINES[garment])
    )
    assert 0 < baseline.peak < attention.peak

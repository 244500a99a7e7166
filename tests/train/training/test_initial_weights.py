"""A run that starts from another's weights: the same tensors in model and EMA, everything else anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from callbacks import after, never, quiet

from common.errors import UserError
from train.configuration.stage_config import StageConfig
from train.data import ShardFolder
from train.inference.initial_weights import InitialWeights, find_initial_weights
from train.runs.run_folder import INIT, RunFolder
from train.training.checkpoint import take_weights
from train.training.loop import fit_stage
from train.training.step import init_training

TinyConfig = Callable[..., StageConfig]
CPU = torch.device("cpu")

PLACES: dict[str, list[str]] = {
    "device": [],
    "host": ["memory.optimizer_on_host=true", "memory.ema_on_host=true"],
    "fp16": ["precision=fp16"],
}
"""Settings that decide where the weights are kept."""


def found(source: Path, config: StageConfig) -> InitialWeights:
    weights = find_initial_weights(source, config, None)
    assert weights is not None
    return weights


@pytest.mark.parametrize("place", PLACES)
def test_model_ema_and_masters_get_the_ema_weights(trained: Path, tiny: TinyConfig, place: str) -> None:
    config = tiny("base", *PLACES[place])
    training = init_training(config, CPU)
    take_weights(training, found(trained, config).load())
    expected, _ = RunFolder(trained / "base").checkpoints.load_weights("ema")
    assert training.step == 0
    assert not training.optimizer.state
    masters = training.masters or dict(training.model.named_parameters())
    assert training.ema.keys() == masters.keys() == expected.keys()
    initial = dict(init_training(config, CPU).model.named_parameters())
    for name, parameter in training.model.named_parameters():
        for copy in (parameter, masters[name], training.ema[name]):
            assert torch.equal(copy, expected[name]), name
        assert parameter.stride() == initial[name].stride()


def test_tensors_of_another_shape_keep_their_initialisation(trained: Path, tiny: TinyConfig) -> None:
    config = tiny("base", "model.pose_maps=false", "model.warp=false", "model.copies=false", "diffusion.warp_loss=0")
    initial, training = init_training(config, CPU), init_training(config, CPU)
    weights = found(trained, config)
    take_weights(training, weights.load())
    assert 0 < len(weights.record.not_taken) < len(training.ema)
    changed = {name for name, value in training.ema.items() if not torch.equal(value, initial.ema[name])}
    assert changed
    assert changed <= set(weights.taken)
    assert set(weights.taken) | set(weights.record.not_taken) == training.ema.keys()


def test_the_first_step_starts_from_them_and_an_interrupted_run_resumes_bit_for_bit(
    shards: Path, trained: Path, tmp_path: Path, tiny: TinyConfig
) -> None:
    data = ShardFolder(shards, "train")
    config = tiny("base", "steps=4", "seed=5")
    init = found(trained, config)
    assert fit_stage(config, data, tmp_path / "whole", quiet, never, init=init)
    assert not fit_stage(config, data, tmp_path / "parts", quiet, after(2), init=init)
    assert fit_stage(config, data, tmp_path / "parts", quiet, never)
    assert fit_stage(config, data, tmp_path / "random", quiet, never)
    whole, parts, random = (
        RunFolder(tmp_path / name).checkpoints.load_weights("model")[0] for name in ("whole", "parts", "random")
    )
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert not all(torch.equal(whole[name], random[name]) for name in whole)
    assert (tmp_path / "parts" / INIT).read_bytes() == (tmp_path / "whole" / INIT).read_bytes()
    assert not (tmp_path / "random" / INIT).exists()


def test_a_source_that_vanishes_before_the_first_step_is_one_error(
    shards: Path, trained: Path, tmp_path: Path, tiny: TinyConfig
) -> None:
    config = tiny("base", "steps=1")
    init = found(trained, config)
    gone = InitialWeights(init.stage, tmp_path / "gone.safetensors", init.record, init.taken, init.message)
    with pytest.raises(UserError, match=r"gone\.safetensors: cannot be read"):
        fit_stage(config, ShardFolder(shards, "train"), tmp_path / "base", quiet, never, init=gone)

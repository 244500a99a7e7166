"""Validation: the same numbers for the same weights, whatever the run, and no effect on the training."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from callbacks import never

from train.configuration.stage_config import StageConfig
from train.data import ShardFolder
from train.diffusion.schedule import make_schedule
from train.runs.metrics_file import TIME_RANGES
from train.runs.run_folder import METRICS, RunFolder
from train.training.loop import fit_stage
from train.training.state import Training
from train.training.step import Stepper, init_training, train_step
from train.training.validation.ema_weights import Stopped, ema_weights
from train.training.validation.loss import fixed_samples, fixed_times, validate

TinyConfig = Callable[..., StageConfig]
CPU = torch.device("cpu")


def trained(config: StageConfig, held_out: ShardFolder) -> Training:
    """Return a training whose EMA weights differ from its weights and from the initial ones."""
    training = init_training(config, CPU)
    train_step(training, fixed_samples(held_out, config), Stepper(config, make_schedule("cosine"), CPU))
    with torch.no_grad():
        for parameter in training.model.parameters():
            parameter.add_(0.01)
    return training


@pytest.mark.parametrize("stage", ["base", "sr256", "sr1024"])
def test_validation_depends_on_the_ema_weights_only(shards: Path, tiny: TinyConfig, stage: str) -> None:
    held_out = ShardFolder(shards, "val")
    config = tiny(stage, "validation.samples=7")
    training = trained(config, held_out)
    other = tiny(stage, "validation.samples=7", "data.batch=5", "memory.micro_batch=3", "seed=4", "diffusion.drop=0.5")
    found = [
        validate(training, fixed_samples(held_out, each), Stepper(each, make_schedule("cosine"), CPU), never)
        for each in (config, other)
    ]
    assert found[0] == found[1]
    with torch.no_grad():
        for parameter in training.model.parameters():
            parameter.mul_(2)
    stepper = Stepper(config, make_schedule("cosine"), CPU)
    samples = fixed_samples(held_out, config)
    assert validate(training, samples, stepper, never) == found[0]
    for name, value in training.ema.items():
        value.copy_(training.model.get_parameter(name))
    assert validate(training, samples, stepper, never).loss != found[0].loss


def test_fixed_times_cycle_through_the_ranges(tiny: TinyConfig) -> None:
    times = fixed_times(tiny("base"), tuple(range(3 * TIME_RANGES)))
    assert (times * TIME_RANGES).floor().long().tolist() == 3 * list(range(TIME_RANGES))
    assert len(set(times.tolist())) == 3 * TIME_RANGES


def test_the_loss_is_the_mean_of_its_ranges_and_an_empty_one_is_none(shards: Path, tiny: TinyConfig) -> None:
    held_out = ShardFolder(shards, "val")
    for count in (TIME_RANGES * 2, 3):
        config = tiny("base", f"validation.samples={count}")
        stepper = Stepper(config, make_schedule("cosine"), CPU)
        found = validate(init_training(config, CPU), fixed_samples(held_out, config), stepper, never)
        some = [loss for loss in found.by_time if loss is not None]
        assert len(found.by_time) == TIME_RANGES
        assert len(some) == min(count, TIME_RANGES)
        assert found.loss == pytest.approx(sum(some) / len(some))


@pytest.mark.parametrize("on_host", ["false", "true"])
def test_the_networks_own_weights_are_restored(tiny: TinyConfig, on_host: str) -> None:
    training = init_training(tiny("base", f"memory.ema_on_host={on_host}"), CPU)
    own = dict(training.model.named_parameters())
    places = {name: parameter.data_ptr() for name, parameter in own.items()}
    for value in training.ema.values():
        value.fill_(3.0)
    with ema_weights(training) as model:
        assert all((parameter == 3.0).all() for parameter in model.parameters())
        assert not model.training
    assert {name: parameter.data_ptr() for name, parameter in own.items()} == places
    assert training.model.training
    assert all(parameter.requires_grad for parameter in own.values())


def test_validation_stops_at_the_next_evaluation(shards: Path, tiny: TinyConfig) -> None:
    config = tiny("base", "validation.samples=40")
    training = init_training(config, CPU)
    calls: list[int] = []
    training.model.register_forward_hook(lambda *_: calls.append(1))
    samples = fixed_samples(ShardFolder(shards, "val"), config)
    with pytest.raises(Stopped):
        validate(training, samples, Stepper(config, make_schedule("cosine"), CPU), lambda: len(calls) == 2)
    assert len(calls) == 2
    assert not training.model._forward_pre_hooks
    assert all(parameter.requires_grad for parameter in training.model.parameters())
    assert training.model.training


@pytest.mark.parametrize("stage", ["base", "sr256", "sr1024"])
def test_validation_changes_no_bit_of_the_training(shards: Path, tmp_path: Path, tiny: TinyConfig, stage: str) -> None:
    data, held_out = ShardFolder(shards, "train"), ShardFolder(shards, "val")
    looking = ("validation.every=2", "validation.samples=5", "validation.sheet_every=3", "validation.sheet_pairs=1")
    assert fit_stage(tiny(stage, "steps=4"), data, tmp_path / "blind", lambda _: None, never)
    assert fit_stage(tiny(stage, "steps=4", *looking), data, tmp_path / "looking", lambda _: None, never, held_out)
    blind, seeing = (
        {path.name: path.read_bytes() for path in RunFolder(tmp_path / run).checkpoints.all()[-1].iterdir()}
        for run in ("blind", "looking")
    )
    assert blind == seeing
    lines = [json.loads(line) for line in (tmp_path / "looking" / METRICS).read_text().splitlines()]
    assert [line["step"] for line in lines if "validation" in line] == [2, 4]
    names = sorted(path.name for path in (tmp_path / "looking/sheets").iterdir())
    assert names == ["step-00000003.png"]
    assert not (tmp_path / "blind/sheets").exists()

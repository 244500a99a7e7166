"""What a step found is fetched at once on a CPU, and a step late on a card."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from train.configuration.stage_config import StageConfig
from train.training.metrics import Meter
from train.training.outcomes import Outcomes
from train.training.state import Training
from train.training.step import init_training

TinyConfig = Callable[..., StageConfig]
CPU, CARD = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def training(tiny: TinyConfig) -> Training:
    return init_training(tiny("sr1024", "precision=fp16"), CPU)


def step(training: Training, outcomes: Outcomes, number: int) -> None:
    training.step, training.norm = number, torch.tensor(2.0 * number)
    outcomes.add(training, torch.tensor(0.5 * number), replaced=number % 2)


def test_on_a_cpu_outcomes_are_ready_at_once(training: Training) -> None:
    outcomes = Outcomes(CPU)
    step(training, outcomes, 1)
    [found] = outcomes.ready(everything=False)
    assert (found.step, found.loss, found.grad_norm, found.replaced) == (1, 0.5, 2.0, 1)
    assert (found.loss_scale, found.lr) == (65536.0, training.optimizer.param_groups[0]["lr"])


def test_on_a_gpu_the_last_step_stays_in_flight(training: Training) -> None:
    outcomes = Outcomes(CARD)
    step(training, outcomes, 1)
    assert list(outcomes.ready(everything=False)) == []
    step(training, outcomes, 2)
    assert [found.step for found in outcomes.ready(everything=False)] == [1]
    assert [found.step for found in outcomes.ready(everything=True)] == [2]
    assert list(outcomes.ready(everything=True)) == []


def test_outcomes_belong_to_their_step(training: Training) -> None:
    outcomes = Outcomes(CARD)
    step(training, outcomes, 1)
    training.skipped = torch.tensor(7)
    step(training, outcomes, 2)
    assert [found.skipped for found in outcomes.ready(everything=True)] == [0, 7]


def test_unknown_values_are_nan_or_none(training: Training) -> None:
    outcomes = Outcomes(CPU)
    training.norm = training.scale = None
    outcomes.add(training, torch.tensor(1.0), replaced=0)
    [found] = outcomes.ready(everything=False)
    assert math.isnan(found.grad_norm)
    assert found.loss_scale is None


def test_each_stage_measures_its_own_peak(tiny: TinyConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    reset: list[torch.device] = []
    monkeypatch.setattr("torch.cuda.reset_peak_memory_stats", reset.append)
    Meter(tiny("base"), 0, CPU)
    assert reset == []
    Meter(tiny("base"), 0, CARD)
    assert reset == [CARD]

"""The choice of settings, on peaks that are made up and on the nano preset's own."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from common.errors import UserError
from train.configuration.presets import preset_config
from train.configuration.settings import stage_config
from train.configuration.stage_config import StageConfig
from train.hardware.world import World
from train.memory.named_card import parse_memory
from train.memory.plan_table import as_json, as_text
from train.memory.search import (
    CONTEXT,
    WORKSPACES,
    StagePlan,
    at_least,
    budget_of,
    even_sizes,
    largest,
    peak_on,
    plan_stage,
    resident,
)
from train.memory.trace import trace
from train.models import count_parameters

TinyConfig = Callable[..., StageConfig]

MIB = 1 << 20


@pytest.mark.parametrize(
    ("peak", "budget", "fits"),
    [
        (lambda size: 100 + 10 * size, 199, 9),
        (lambda size: 100 + 10 * size, 109, 0),
        (lambda size: 100 + 10 * size, 10**6, 64),
        (lambda size: max(500, 10 * size), 505, 50),
        (lambda size: 10 * size + size // 3, 300, 29),
        (lambda size: 10, 9, 0),
    ],
)
def test_largest_finds_the_last_size_that_fits(peak: Callable[[int], int], budget: int, fits: int) -> None:
    assert largest(peak, budget, 8, range(1, 65)) == fits


def test_a_rough_search_measures_three_sizes() -> None:
    sizes: list[int] = []

    def peak(size: int) -> int:
        sizes.append(size)
        return 100 + 10 * size

    assert largest(peak, 705, 8, range(1, 65), exact=False) == 60
    assert len(sizes) == 3
    assert largest(lambda size: 10 * size + size // 3, 300, 8, range(1, 65), exact=False) in (28, 29)
    assert largest(lambda size: 10, 9, 8, range(1, 65), exact=False) == 0


def test_a_rough_search_goes_on_where_the_first_extrapolation_does_not_fit() -> None:
    """Up to 100 samples the optimizer's step is the peak: on that plateau two sizes tell nothing of the slope."""
    sizes: list[int] = []

    def peak(size: int) -> int:
        sizes.append(size)
        return max(5000, 1000 + 40 * size)

    assert largest(peak, 9000, 32, even_sizes(1024), exact=False) in (147, 171)
    assert len(sizes) == 4


def test_a_batch_that_fits_whole_takes_two_measurements() -> None:
    sizes: list[int] = []

    def peak(size: int) -> int:
        sizes.append(size)
        return 100 + 10 * size

    assert largest(peak, 10_000, 32, range(1, 65)) == 64
    assert sizes == [32, 64]


@pytest.mark.parametrize("share", [1, 7, 50, 64, 256])
@pytest.mark.parametrize("budget", [100, 120, 433, 800, 10_000])
def test_only_even_sizes_are_measured(share: int, budget: int) -> None:
    """The result is the size that makes as many passes as the largest of all sizes that fit."""
    sizes, first = [], min(32, share)

    def peak(size: int) -> int:
        sizes.append(size)
        return 100 + 10 * size

    fits = min(share, (budget - 100) // 10)
    expected = -(-share // -(-share // fits)) if fits else 0
    assert largest(peak, budget, first, even_sizes(share)) == expected
    assert set(sizes) <= {first, *even_sizes(share)}
    assert len(sizes) <= 6


@pytest.mark.parametrize("checkpointing", [False, True])
def test_what_moves_to_the_host_frees_no_more_than_is_expected(tiny: TinyConfig, checkpointing: bool) -> None:
    def config(**memory: bool) -> StageConfig:
        settings = [f"memory.{name}={str(value).lower()}" for name, value in memory.items()]
        return tiny("base", "memory.micro_batch=2", "data.batch=4", *settings)

    fast = config(checkpointing=checkpointing)
    for on_host in ({"ema_on_host": True}, {"ema_on_host": True, "optimizer_on_host": True}):
        lean = config(checkpointing=checkpointing, **on_host)
        assert 0 < at_least(lean, [config(), fast]) <= trace(lean).peak < trace(fast).peak
        assert at_least(config(checkpointing=not checkpointing, **on_host), [fast]) == 0


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "muon", "adafactor"])
def test_what_stays_resident_is_no_more_than_a_trace_finds(tiny: TinyConfig, optimizer: str) -> None:
    config = tiny("base", f"optim.name={optimizer}", "optim.clip=null", "memory.micro_batch=1")
    found = trace(config)
    assert 0 < resident(config) <= 2 * found.weights + found.optimizer + found.ema
    assert resident(config, World(0, 2, "fsdp")) == resident(config) // 2


def nano_plan(budget: int, batch: int = 16, world: World = World(), **fixed: Any) -> StagePlan:  # noqa: B008
    return plan_stage(preset_config("nano", "base"), budget, "bf16", batch, given=fixed, world=world)


@pytest.mark.slow
def test_a_large_card_needs_no_savings() -> None:
    plan = nano_plan(1 << 30)
    assert (plan.micro_batch, plan.accumulation) == (16, 1)
    assert plan.config.memory.model_dump(exclude={"micro_batch"}) == preset_config("nano", "base").memory.model_dump(
        exclude={"micro_batch"}
    )


@pytest.mark.slow
def test_less_memory_gets_leaner_settings_that_stay_within_it() -> None:
    plans = [nano_plan(size * MIB, batch=64) for size in (80, 60, 34)]
    for plan, size in zip(plans, (80, 60, 34), strict=True):
        assert 0 < plan.footprint.peak <= size * MIB
        assert plan.config.optim == preset_config("nano", "base").optim
    assert plans[0].micro_batch > plans[-1].micro_batch
    assert plans[-1].config.memory.optimizer_on_host
    assert plans[-1].config.memory.checkpointing


@pytest.mark.usefixtures("either_traces")
def test_a_plan_that_does_not_fit_suggests_one_that_does() -> None:
    plan = nano_plan(1 * MIB)
    assert (plan.micro_batch, as_json([plan], 1 << 30)["stages"]["base"]["fits"]) == (0, False)
    told = as_text([plan], 1 << 29)
    assert "base: does not fit 0.50 GiB" in told
    assert "--memory 1GiB would do" in told
    assert nano_plan(budget_of(plan.needed)).micro_batch == 1


@pytest.mark.usefixtures("either_traces")
def test_the_plans_options_reproduce_its_settings() -> None:
    plan = nano_plan(60 * MIB)
    (line,) = (line for line in as_text([plan], 1 << 30).splitlines() if line.startswith("trainer fit"))
    words = line.split()
    sets = [value for name, value in pairwise(words) if name == "--set"]
    assert stage_config("nano", "base", None, sets) == plan.config


def test_json_output_has_its_documented_keys(tiny: TinyConfig) -> None:
    plan = plan_stage(tiny("sr1024"), 1 << 30, "bf16", 1)
    stage = as_json([plan], 1 << 30)["stages"]["sr1024"]
    assert stage["parameters"] == count_parameters(plan.config.model)
    assert (stage["micro_batch"], stage["precision"]) == (plan.micro_batch, "bf16")
    assert stage["peak_bytes"] == plan.footprint.peak
    parts = ("weights", "gradients", "optimizer", "ema", "previous_stage", "activations")
    assert stage["peak_bytes"] == sum(stage[f"{part}_bytes"] for part in parts)


def test_memory_sizes_are_parsed() -> None:
    assert parse_memory("16GiB") == parse_memory("16 gib") == 16 << 30
    assert parse_memory("15900MiB") == 15900 << 20
    assert parse_memory("1.5GB") == 1_500_000_000


@pytest.mark.parametrize("text", ["16", "much", "-3GiB", "16TiB", "0.5GiB", ""])
def test_an_invalid_memory_size_is_reported(text: str) -> None:
    with pytest.raises(UserError, match="--memory"):
        parse_memory(text)


def test_the_budget_subtracts_the_cuda_context_of_an_idle_gpu() -> None:
    size = 16 << 30
    assert size - budget_of(size) == pytest.approx(CONTEXT + WORKSPACES + 0.02 * size, abs=1)
    assert budget_of(size, running=True) - budget_of(size) == CONTEXT
    assert budget_of(CONTEXT) < 0


@pytest.mark.usefixtures("made_up_traces")
@pytest.mark.parametrize(("size", "fits"), [(60, True), (40, False)])
def test_an_explicit_micro_batch_is_kept(size: int, fits: bool) -> None:
    plan = nano_plan(size * MIB, micro_batch=8, checkpointing=False, optimizer_on_host=False, ema_on_host=False)
    assert plan.config.memory.micro_batch == 8
    assert not plan.config.memory.checkpointing
    assert (plan.micro_batch == 8) == fits


@pytest.mark.usefixtures("made_up_traces")
def test_settings_are_chosen_for_the_explicit_micro_batch_however_large() -> None:
    """Without savings 32 samples fit, but not the 64 that are given: those need checkpointing."""
    plan = nano_plan(90 * MIB, batch=64, micro_batch=64)
    assert (plan.micro_batch, plan.config.memory.micro_batch) == (64, 64)
    assert plan.config.memory.checkpointing
    assert not plan.config.memory.optimizer_on_host


@pytest.mark.usefixtures("made_up_traces")
def test_explicit_settings_are_kept_and_the_rest_chosen() -> None:
    plan = nano_plan(46 * MIB, batch=64, optimizer_on_host=False, checkpointing=True)
    assert plan.config.memory.checkpointing
    assert plan.config.memory.ema_on_host
    assert not plan.config.memory.optimizer_on_host
    assert 0 < plan.footprint.peak <= 46 * MIB


@pytest.mark.usefixtures("made_up_traces")
def test_micro_batches_are_even() -> None:
    plan = nano_plan(97 * MIB, batch=50)
    assert (plan.accumulation, plan.micro_batch) == (2, 25)


@pytest.mark.usefixtures("made_up_traces")
def test_processes_split_the_batch_and_with_fsdp_the_weights() -> None:
    assert nano_plan(1 << 30, world=World(0, 4, "ddp")).micro_batch == 4
    shared = World(0, 4, "fsdp")
    whole = nano_plan(1 << 30).config
    assert peak_on(whole, shared) == peak_on(whole) - 50 * MIB + (50 * MIB) // 4 + 2 * MIB
    assert not nano_plan(28 * MIB, world=shared).config.memory.optimizer_on_host

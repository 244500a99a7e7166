"""Predicted and measured memory: the step really runs, and torch's profiler counts what the allocator hands out."""

from itertools import product

import pytest
import torch
from shallow_networks import SHALLOW

from train.configuration.settings import stage_config
from train.configuration.stage_config import StageConfig
from train.diffusion.schedule import make_schedule
from train.inference.cascade import assemble_stage
from train.inference.previous_stage import PreviousStage
from train.memory.trace import blank_batch, previous_bytes, trace
from train.models import build_model, count_parameters
from train.training.step import Stepper, init_training, train_step

CPU = torch.device("cpu")


UNFOLDING = ("aten::_slow_conv2d_forward", "aten::_slow_conv2d_backward")
"""How a CPU without fp16 arithmetic convolves in it: pictures are unfolded, nine times as large. No card does."""


def measured_peak(config: StageConfig) -> int:
    """Return the most bytes that were allocated at a time over two real steps, but for what UNFOLDING takes inside."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        training = init_training(config, CPU)
        stepper = Stepper(config, make_schedule(config.diffusion.schedule), CPU, previous=previous_stage(config))
        for _ in range(2):
            train_step(training, blank_batch(config, config.data.batch), stepper)
    events = sorted(profile.profiler.kineto_results.events(), key=lambda event: event.start_ns())
    live = peak = unfolded_until = 0
    for event in events:
        if event.name() in UNFOLDING:
            unfolded_until = event.end_ns()
        elif event.name() == "[memory]":
            live += event.nbytes()
            if event.start_ns() > unfolded_until:
                peak = max(peak, live)
    return peak


def previous_stage(config: StageConfig) -> PreviousStage | None:
    """Return the preset's previous stage, untrained, where it makes the images that ``config`` learns from."""
    if not config.diffusion.own_low_res:
        return None
    before = stage_config(config.preset, "base", None, [])  # type: ignore[arg-type]
    weights = build_model(before.model).state_dict()
    return PreviousStage(assemble_stage(before, weights, 0, CPU), config.diffusion.own_low_res, config.seed)


def assert_agree(config: StageConfig) -> None:
    predicted, measured = trace(config, on_card=False).total_peak, measured_peak(config)
    print(f"{config.preset} {config.stage} {config.precision} {predicted / 2**20:.2f} {measured / 2**20:.2f}")
    assert predicted == pytest.approx(measured, rel=0.1)


QUICK = {
    ("base", "false", "fp32"),
    ("sr1024", "true", "bf16"),
    ("sr1024", "false", "fp16"),
}
CASES = [
    pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow)
    for case in product(("base", "sr256", "sr1024"), ("true", "false"), ("fp32", "bf16", "fp16"))
]


@pytest.mark.parametrize(("stage", "checkpointing", "precision"), CASES)
def test_the_traced_peak_matches_the_measured_one(stage: str, checkpointing: str, precision: str) -> None:
    assert_agree(nano(stage, f"memory.checkpointing={checkpointing}", f"precision={precision}"))


@pytest.mark.parametrize(
    "settings",
    [
        ["memory.optimizer_on_host=true", "memory.ema_on_host=true"],
        ["memory.optimizer_in_backward=true", "memory.micro_batch=null", "optim.clip=null"],
        ["optim.name=adafactor"],
    ],
)
def test_the_traced_peak_matches_the_measured_one_with(settings: list[str]) -> None:
    assert_agree(nano("sr1024", *settings))


@pytest.mark.slow
@pytest.mark.parametrize("checkpointing", ["true", "false"])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_traced_peak_of_the_small_preset_matches_the_measured_one(checkpointing: str, precision: str) -> None:
    settings = [f"memory.checkpointing={checkpointing}", f"precision={precision}"]
    assert_agree(stage_config("small", "base", None, ["data.batch=4", "memory.micro_batch=2", *settings]))


def nano(stage: str, *settings: str) -> StageConfig:
    return stage_config("nano", stage, None, ["data.batch=8", "memory.micro_batch=4", "optim.name=adam", *settings])  # type: ignore[arg-type]


def shallow(stage: str, *settings: str) -> StageConfig:
    return nano(stage, *SHALLOW[stage], *settings)


def test_host_tensors_do_not_count_as_device_memory() -> None:
    plain, lean = (
        trace(shallow("sr1024", *settings))
        for settings in ([], ["memory.optimizer_on_host=true", "memory.ema_on_host=true"])
    )
    assert plain.optimizer == pytest.approx(2 * plain.weights, rel=1e-3)
    muon = trace(shallow("sr1024", "optim.name=muon"))
    assert 1.0 < muon.optimizer / muon.weights < 1.1, "one moment for matrices"
    assert plain.ema == plain.weights
    assert (lean.optimizer, lean.ema, plain.host) == (0, 0, 0)
    assert lean.host == pytest.approx(4 * lean.weights, rel=1e-3)
    assert lean.peak < plain.peak - 2 * plain.weights


def test_checkpointing_and_smaller_micro_batches_take_less_memory() -> None:
    whole = trace(shallow("sr1024", "memory.micro_batch=null")).peak
    assert trace(shallow("sr1024")).peak < whole
    assert trace(shallow("sr1024", "memory.micro_batch=null", "memory.checkpointing=true")).peak < whole


def test_tracing_leaves_torchs_state_unchanged() -> None:
    trace(shallow("sr1024", "data.batch=4", "memory.micro_batch=null"))  # no other test has its trace in the cache
    assert float(torch.ones(2).sum()) == 2.0


def test_the_stage_that_makes_the_low_resolution_images_is_counted() -> None:
    config = shallow("sr256")
    assert previous_bytes(config) == 4 * count_parameters(nano("base").model)
    alone = trace(shallow("sr256", "diffusion.own_low_res=0"))
    assert trace(config).peak == alone.peak + previous_bytes(config)
    assert (trace(config).previous, alone.previous) == (previous_bytes(config), 0)

"""One step on the card: what it waits for, what it compiles to, which kernels attend, what memory settings change."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import pytest
import torch
from card.workloads import Steps
from torch.nn.attention import SDPBackend, sdpa_kernel

from train.configuration.presets import Preset
from train.configuration.settings import stage_config
from train.configuration.stage_config import STAGES, Stage, StageConfig
from train.diffusion.schedule import make_schedule
from train.hardware.cards import prepare
from train.hardware.precision import Precision
from train.training.outcomes import Outcomes
from train.training.step import Stepper, train_step

TinyConfig = Callable[..., StageConfig]

MEMORY = {
    "micro-batches": ["memory.micro_batch=3"],
    "checkpointing": ["memory.checkpointing=true"],
    "ema on the host": ["memory.ema_on_host=true"],
    "optimizer on the host": ["memory.optimizer_on_host=true", "memory.ema_on_host=true"],
    "all exact ones": [
        "memory.micro_batch=1", "memory.checkpointing=true", "memory.optimizer_on_host=true", "memory.ema_on_host=true",
    ],
    "optimizer in the backward pass": ["memory.optimizer_in_backward=true"],
}  # fmt: skip
SAME = {"fp32": 1e-3, "bf16": 3e-2, "fp16": 1e-2}
"""Of losses that differ by the order of sums and by what a step or two make of it."""


def has_precision(precision: str, device: torch.device) -> None:
    if precision == "bf16" and device.type == "cuda" and torch.cuda.get_device_capability(device) < (8, 0):
        pytest.skip("no bf16 on this card")


def losses_of(config: StageConfig, device: torch.device, count: int = 3) -> list[float]:
    steps = Steps(config, device)
    return [float(train_step(steps.training, steps.batch, steps.stepper)) for _ in range(count)]


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("settings", MEMORY.values(), ids=list(MEMORY))
@pytest.mark.parametrize("stage", STAGES)
def test_every_memory_setting_gives_the_same_losses(
    device: torch.device, exact_fp32: Callable[[], None], tiny: TinyConfig, stage: Stage, settings: list[str],
    precision: Precision,
) -> None:  # fmt: skip
    has_precision(precision, device)
    exact_fp32()
    in_backward = settings == MEMORY["optimizer in the backward pass"]
    if in_backward and precision == "fp16":
        pytest.skip("memory.optimizer_in_backward is incompatible with fp16")
    common = [f"precision={precision}", "compile=false", *(["optim.clip=null"] if in_backward else [])]
    expected = losses_of(tiny(stage, *common), device)
    found = losses_of(tiny(stage, *common, *settings), device)
    assert found[0] == pytest.approx(expected[0], rel=SAME[precision] / 3)
    assert found == pytest.approx(expected, rel=SAME[precision])
    assert len(set(expected)) == len(expected)  # the steps did change something


@pytest.mark.parametrize("stage", STAGES)
def test_adafactor_in_the_backward_pass_trains(
    device: torch.device, exact_fp32: Callable[[], None], tiny: TinyConfig, stage: Stage
) -> None:
    exact_fp32()
    last_resort = ["optim.name=adafactor", "memory.optimizer_in_backward=true", "memory.checkpointing=true"]
    expected = losses_of(tiny(stage, "compile=false", "optim.clip=null"), device, 1)
    losses = losses_of(tiny(stage, "compile=false", "optim.clip=null", *last_resort), device, 6)
    assert losses[0] == pytest.approx(expected[0], rel=1e-3)
    assert all(math.isfinite(loss) for loss in losses)
    assert len(set(losses)) == len(losses)  # the steps did change something


@contextmanager
def no_synchronisation(device: torch.device) -> Iterator[None]:
    """Raise where the host waits for the card."""
    if device.type != "cuda":
        yield
        return
    torch.cuda.synchronize(device)
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("stage", STAGES)
def test_an_ordinary_step_waits_for_nothing(
    device: torch.device, tiny: TinyConfig, stage: Stage, precision: Precision, compiled: bool
) -> None:
    has_precision(precision, device)
    if compiled and (find_spec("triton") is None or precision != "bf16"):
        pytest.skip("compiled is tried in bf16, and needs triton")
    prepare(device)
    steps = Steps(tiny(stage, f"precision={precision}", f"compile={str(compiled).lower()}"), device)
    outcomes = Outcomes(device)
    for _ in range(3):
        outcomes.add(steps.training, train_step(steps.training, steps.batch, steps.stepper), 0)
        list(outcomes.ready(everything=False))
    with no_synchronisation(device):
        for _ in range(2):
            outcomes.add(steps.training, train_step(steps.training, steps.batch, steps.stepper), 0)
            found = list(outcomes.ready(everything=False))
    assert [outcome.step for outcome in found] == ([4] if device.type == "cuda" else [5])
    assert found[0].loss > 0


def test_the_check_for_synchronisation_sees_one(card: torch.device) -> None:
    value = torch.ones((), device=card)
    with no_synchronisation(card), pytest.raises(RuntimeError, match="synchroniz"):
        value.item()


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("stage", ["base", "sr256"])
@pytest.mark.parametrize("preset", ["nano", "small"])
def test_attention_takes_a_fused_kernel(
    device: torch.device, preset: Preset, stage: Stage, precision: Precision
) -> None:
    """The poses make the number of keys odd; the kernel that stores all weights would take it as well."""
    has_precision(precision, device)
    if device.type == "cpu" and precision == "bf16":
        pytest.skip("a CPU attends in bf16 by matrix products")
    config = stage_config(preset, stage, None, ["data.batch=2", f"precision={precision}", "compile=false"])
    steps = Steps(config, device)
    with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION]):
        loss = train_step(steps.training, steps.batch, steps.stepper)
    assert loss.isfinite()


@pytest.fixture
def counters() -> Iterator[dict[str, Counter[str]]]:
    """Yield the counters of torch.compile, beginning anew."""
    if find_spec("triton") is None:
        pytest.skip("torch.compile needs triton on a card")
    from torch._dynamo.utils import counters  # takes seconds: not while tests are collected

    torch._dynamo.reset()
    counters.clear()
    yield counters
    torch._dynamo.reset()


@pytest.mark.parametrize(
    ("stage", "precision"), [("base", "fp32"), ("base", "bf16"), ("sr256", "bf16"), ("sr1024", "bf16")]
)
def test_compiled_steps_are_one_graph_and_agree_with_eager_ones(
    card: torch.device, exact_fp32: Callable[[], None], tiny: TinyConfig, counters: dict[str, Counter[str]],
    stage: Stage, precision: Precision,
) -> None:  # fmt: skip
    has_precision(precision, card)
    exact_fp32()
    expected = losses_of(tiny(stage, f"precision={precision}", "compile=false"), card, 4)
    config = tiny(stage, f"precision={precision}", "compile=true")
    steps = Steps(config, card)
    schedule = make_schedule(config.diffusion.schedule)
    on_host = Stepper(config, schedule, card, draws_on_device=False)  # the draws are graphs of their own
    train_step(steps.training, steps.batch, on_host)
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]

    steps = Steps(config, card)
    found = [float(train_step(steps.training, steps.batch, steps.stepper))]
    graphs = counters["stats"]["unique_graphs"]
    found += [float(train_step(steps.training, steps.batch, steps.stepper)) for _ in range(3)]
    assert counters["stats"]["unique_graphs"] == graphs
    assert not counters["graph_break"]
    assert found == pytest.approx(expected, rel=SAME[precision])

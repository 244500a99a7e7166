"""A compiled step is the eager one: one graph for each size of micro-batch, none compiled again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
import torch

from train.configuration.stage_config import StageConfig
from train.diffusion.schedule import make_schedule
from train.memory.trace import blank_batch
from train.training.step import Stepper, init_training, train_step

if TYPE_CHECKING:
    from torch._dynamo.testing import CompileCounterWithBackend

TinyConfig = Callable[..., StageConfig]
CPU = torch.device("cpu")


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Iterator[CompileCounterWithBackend]:
    """Have torch.compile capture and differentiate graphs, and not generate code, which takes minutes."""
    from torch._dynamo.testing import CompileCounterWithBackend  # takes seconds: not while tests are collected

    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    counter = CompileCounterWithBackend("aot_eager")
    compile_ = torch.compile

    def counted(model: torch.nn.Module, **settings: Any) -> Any:
        return compile_(model, backend=counter, **settings)

    monkeypatch.setattr("torch.compile", counted)
    yield counter
    torch._dynamo.reset()


def losses(config: StageConfig, steps: int = 3) -> tuple[list[float], list[torch.Tensor]]:
    training = init_training(config, CPU)
    stepper = Stepper(config, make_schedule(config.diffusion.schedule), CPU)
    found = [float(train_step(training, blank_batch(config, config.data.batch), stepper)) for _ in range(steps)]
    return found, [parameter.detach() for parameter in training.model.parameters()]


@pytest.mark.parametrize(
    ("stage", "checkpointing"),
    [
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (*product(("base", "sr256"), ("true", "false")), ("sr1024", "false"))
        ),
        ("sr1024", "true"),
    ],
)
def test_a_compiled_step_matches_eager_in_one_graph(
    tiny: TinyConfig, graphs: CompileCounterWithBackend, stage: str, checkpointing: str
) -> None:
    settings = (stage, "data.batch=2", f"memory.checkpointing={checkpointing}")
    eager = losses(tiny(*settings))
    compiled = losses(tiny(*settings, "compile=true"))
    assert graphs.frame_count == 1
    assert not torch._dynamo.utils.counters["graph_break"]
    assert compiled[0] == pytest.approx(eager[0], rel=1e-3)
    for one, other in zip(compiled[1], eager[1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=4e-3)


def test_each_size_of_micro_batch_is_compiled_once(tiny: TinyConfig, graphs: CompileCounterWithBackend) -> None:
    config = tiny("sr1024", "data.batch=5", "memory.micro_batch=3", "compile=true")
    losses(config)
    assert graphs.frame_count == 2


def test_the_compiled_model_shares_weights_and_names(tiny: TinyConfig, graphs: CompileCounterWithBackend) -> None:
    plain, compiled = (init_training(tiny("base", f"compile={choice}"), CPU) for choice in ("false", "true"))
    assert compiled.forward_module is compiled.compiled is not compiled.model
    assert list(compiled.model.state_dict()) == list(plain.model.state_dict())
    assert list(compiled.ema) == list(plain.ema)
    assert graphs.frame_count == 0  # until the first step

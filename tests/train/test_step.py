"""One step: a batch divided is the batch whole."""

from collections.abc import Callable

import pytest
import torch

from train.config import StageConfig
from train.data import Batch
from train.diffusion.schedule import make_schedule
from train.plan.trace import blank_batch
from train.state import Training
from train.step import Stepper, begin, micro_batches, train_step

TinyConfig = Callable[..., StageConfig]
CPU = torch.device("cpu")


def drawn_batch(config: StageConfig) -> Batch:
    """Return a batch whose samples differ, so that their weights in the mean matter."""
    batch = blank_batch(config, config.data.batch)
    generator = torch.Generator().manual_seed(0)
    batch.x.copy_(torch.randint(0, 256, batch.x.shape, generator=generator, dtype=torch.uint8))
    return batch


def stepped(config: StageConfig) -> tuple[Training, float]:
    training = begin(config, CPU)
    loss = train_step(training, drawn_batch(config), Stepper(config, make_schedule("cosine"), CPU))
    return training, float(loss)


@pytest.mark.parametrize("micro", [1, 2, 3, 4, 9])
def test_micro_batches_add_up_to_the_batch(tiny: TinyConfig, micro: int) -> None:
    settings = (
        "data.batch=5",
        "optim.clip=null",
        "optim.eps=1.0",
        "optim.lr=1.0",
    )  # so large an ε makes the step linear
    whole, loss = stepped(tiny("base", *settings))
    parts, divided = stepped(tiny("base", *settings, f"memory.micro_batch={micro}"))
    assert divided == pytest.approx(loss, rel=1e-5)
    for before, first, second in zip(
        *(training.model.parameters() for training in (begin(tiny("base"), CPU), whole, parts)), strict=True
    ):
        assert torch.allclose(first - before, second - before, rtol=1e-3, atol=1e-6)


def test_every_sample_is_in_one_micro_batch(tiny: TinyConfig) -> None:
    batch = drawn_batch(tiny("base", "data.batch=5"))
    parts = list(micro_batches(batch, 2))
    assert [part.positions for part in parts] == [(0, 1), (2, 3), (4,)]
    assert torch.equal(torch.cat([part.x for part in parts]), batch.x)
    assert all(part.Jp is not None and len(part.Jp) == len(part.positions) for part in parts)

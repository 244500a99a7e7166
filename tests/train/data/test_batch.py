"""A batch on its way to the device."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest
import torch

from train.configuration.stage_config import StageConfig
from train.data import Batch
from train.data.batch import prefetch_to_device, tensors_of, to_device
from train.memory.trace import blank_batch

TinyConfig = Callable[..., StageConfig]
CPU = torch.device("cpu")


def test_on_a_cpu_batches_are_passed_through(tiny: TinyConfig) -> None:
    made = [blank_batch(tiny("base"), 2) for _ in range(3)]
    assert all(
        one is other for one, other in zip(prefetch_to_device((batch for batch in made), CPU), made, strict=True)
    )


def test_closing_closes_the_loader(tiny: TinyConfig) -> None:
    closed = []

    def batches() -> Generator[Batch]:
        try:
            while True:
                yield blank_batch(tiny("base"), 2)
        finally:
            closed.append(True)

    served = prefetch_to_device(batches(), CPU)
    next(served)
    served.close()
    assert closed == [True]


@pytest.mark.parametrize(("stage", "count"), [("base", 6), ("sr1024", 2)])
def test_to_device_moves_every_tensor_and_changes_nothing_else(tiny: TinyConfig, stage: str, count: int) -> None:
    batch = blank_batch(tiny(stage), 2)
    there = to_device(batch, torch.device("meta"))
    assert len(tensors_of(batch)) == len(tensors_of(there)) == count
    assert {tensor.device.type for tensor in tensors_of(there)} == {"meta"}
    assert [tensor.stride() for tensor in tensors_of(there)] == [tensor.stride() for tensor in tensors_of(batch)]
    assert (there.positions, there.replaced) == (batch.positions, batch.replaced)

"""Batches that are on the device before the step needs them: copied while the step before is computed."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import fields, replace

import torch
from torch import Tensor

from train.data.batch import Batch


def on_device(batches: Generator[Batch], device: torch.device) -> Generator[Batch]:
    """Yield the batches with their tensors on ``device``; on a CPU as they are. Closing it closes ``batches``.

    The next batch is copied on a stream of its own, from pinned memory, as soon as the step that got the last one has
    been launched: the copy overlaps that step, and neither waits for the other until the batch is used.
    """
    try:
        if device.type != "cuda":
            yield from batches
            return
        copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        steps = torch.cuda.current_stream(device)
        for batch in batches:
            with torch.cuda.stream(copies):
                there = moved(batch, device)
            steps.wait_stream(copies)
            for tensor in tensors_of(there):
                tensor.record_stream(steps)  # freed for the copies' stream only once the step is through with it
            yield there
    finally:
        batches.close()


def moved(batch: Batch, device: torch.device) -> Batch:
    """Return the batch with its tensors on ``device``; from pinned memory the copies do not wait."""
    tensors = {name: value.to(device, non_blocking=True) for name, value in _named_tensors(batch).items()}
    return replace(batch, **tensors)  # type: ignore[arg-type]


def tensors_of(batch: Batch) -> list[Tensor]:
    """Return the batch's tensors."""
    return list(_named_tensors(batch).values())


def _named_tensors(batch: Batch) -> dict[str, Tensor]:
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}

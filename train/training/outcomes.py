"""A step's metrics, fetched from the device asynchronously."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from train.training.state import Training


@dataclass(frozen=True)
class Outcome:
    """The metrics of one step."""

    step: int
    loss: float
    grad_norm: float
    """Before clipping; NaN with the optimizer in the backward pass."""
    lr: float
    loss_scale: float | None
    """Loss scale of fp16; None in other precisions."""
    skipped: int
    skipped_in_a_row: int
    replaced: int


@dataclass(frozen=True)
class _Pending:
    step: int
    lr: float
    scaled: bool
    replaced: int
    values: Tensor
    """(5,) on the host; from a GPU, the copy may still be in progress."""
    copied: torch.cuda.Event | None


class Outcomes:
    """Queue of steps whose metrics are not on the host yet: on a GPU the last one, while it is being computed."""

    def __init__(self, device: torch.device) -> None:
        self._in_flight = 1 if device.type == "cuda" else 0
        self._pending: deque[_Pending] = deque()

    def add(self, training: Training, loss: Tensor, replaced: int) -> None:
        """Start fetching the metrics of the step that was just made or, on a GPU, launched."""
        scale = None if training.scale is None else training.scale.scale
        numbers = (loss, training.norm, scale, training.skipped, training.skipped_in_a_row)
        values = torch.stack([_as_double(number, loss) for number in numbers])
        copied = None
        if values.is_cuda:
            on_device = values
            values = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            values.copy_(on_device, non_blocking=True)
            copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            copied.record()
        lr = float(training.optimizer.param_groups[0]["lr"])
        self._pending.append(_Pending(training.step, lr, scale is not None, replaced, values, copied))

    def ready(self, everything: bool) -> Iterator[Outcome]:
        """Yield metrics of finished steps, a step late on a GPU; with ``everything``, wait for the last step too."""
        while len(self._pending) > (0 if everything else self._in_flight):
            one = self._pending.popleft()
            if one.copied is not None:
                one.copied.synchronize()
            loss, norm, scale, skipped, in_a_row = one.values.tolist()
            yield Outcome(
                one.step, loss, norm, one.lr, scale if one.scaled else None, int(skipped), int(in_a_row), one.replaced
            )


def _as_double(number: Tensor | int | None, like: Tensor) -> Tensor:
    if isinstance(number, Tensor):
        return number.to(like.device, torch.float64)
    return torch.full((), float("nan") if number is None else number, dtype=torch.float64, device=like.device)

"""The state of a training: what a checkpoint holds."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from train.training.loss_scale import LossScale


@dataclass
class Training:
    """All that a step changes."""

    model: nn.Module
    ema: dict[str, Tensor]
    optimizer: torch.optim.Optimizer
    step: int = 0
    masters: dict[str, nn.Parameter] = field(default_factory=dict)
    """The copy of the weights that the optimizer steps in host memory; empty where it steps the model's own."""
    scale: LossScale | None = None
    """fp16's loss scale."""
    skipped: int | Tensor = 0
    """Steps of the whole run whose loss or a gradient was not finite; but for `left_out` they changed nothing.

    Like all that a step counts it stays on the device, so that no step has to wait for its result: int() fetches it.
    """
    skipped_in_a_row: int | Tensor = 0
    """The last ones of these."""
    left_out: bool | Tensor = False
    """Whether the last step left out a weight whose own gradient was not finite, inside of the backward pass."""
    loss_is_finite: bool | Tensor = True
    """The same of the loss whose backward pass is under way."""
    norm: Tensor | None = None
    """The last step's gradient norm before clipping, (); None where each gradient is freed at once."""
    compiled: nn.Module | None = None
    """The model as torch.compile made it, with the same weights."""
    ddp: DistributedDataParallel | None = None
    """That of the two with the averaging of gradients among processes that each have a copy of it."""

    @property
    def learner(self) -> nn.Module:
        """What a step's forward pass is made with; all else is with the model itself."""
        return next(one for one in (self.ddp, self.compiled, self.model) if one is not None)

    @property
    def stepped(self) -> dict[str, nn.Parameter]:
        """The parameters, by name, that the optimizer steps."""
        return self.masters or dict(self.model.named_parameters())

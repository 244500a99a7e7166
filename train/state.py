"""The state of a training: what a checkpoint holds."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from train.optim.scaling import LossScale


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
    skipped: int = 0
    """Steps of the whole run whose loss or a gradient was not finite; but for `left_out` they changed nothing."""
    skipped_in_a_row: int = 0
    """The last ones of these."""
    left_out: bool = False
    """Whether the last step left out a weight whose own gradient was not finite, inside of the backward pass."""
    ddp: DistributedDataParallel | None = None
    """The model with the averaging of gradients among processes that each have a copy of it."""

    @property
    def learner(self) -> nn.Module:
        """What a step's forward pass is made with; all else is with the model itself."""
        return self.model if self.ddp is None else self.ddp

    @property
    def stepped(self) -> dict[str, nn.Parameter]:
        """The parameters, by name, that the optimizer steps."""
        return self.masters or dict(self.model.named_parameters())

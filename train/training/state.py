"""The state of a training run, from which checkpoints are made."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from train.training.loss_scale import LossScale


@dataclass
class Training:
    """Everything that a step changes."""

    model: nn.Module
    ema: dict[str, Tensor]
    optimizer: torch.optim.Optimizer
    step: int = 0
    masters: dict[str, nn.Parameter] = field(default_factory=dict)
    """The optimizer's copy of the weights in host memory; empty if it steps the model's own weights."""
    averages: dict[float, dict[str, Tensor]] = field(default_factory=dict)
    """Power-function averages of the weights by length, for `trainer ema`; beside the EMA weights."""
    scale: LossScale | None = None
    """Loss scale of fp16; None in other precisions."""
    skipped: int | Tensor = 0
    """Steps of the whole run with a non-finite loss or gradient. They changed no weight, apart from the case of
    `weights_skipped`.

    Like all counters of a step, it stays on the device, so that no step waits for its value: int() fetches it.
    """
    skipped_in_a_row: int | Tensor = 0
    """Number of consecutive skipped steps up to the last one."""
    weights_skipped: bool | Tensor = False
    """Whether the last step, with the optimizer in the backward pass, skipped a weight with a non-finite gradient."""
    loss_is_finite: bool | Tensor = True
    """Whether the loss of the current backward pass is finite."""
    norm: Tensor | None = None
    """The last step's gradient norm before clipping, (); None with the optimizer in the backward pass."""
    compiled: nn.Module | None = None
    """The model compiled by torch.compile, sharing its weights."""
    ddp: DistributedDataParallel | None = None
    """The (compiled) model wrapped in DistributedDataParallel."""

    @property
    def forward_module(self) -> nn.Module:
        """The module for a step's forward pass: wrapped or compiled, if it is; everything else uses ``model``."""
        return next(one for one in (self.ddp, self.compiled, self.model) if one is not None)

    @property
    def optimized_parameters(self) -> dict[str, nn.Parameter]:
        """The parameters that the optimizer steps, by name."""
        return self.masters or dict(self.model.named_parameters())

"""Which settings make a stage fit a card.

They are tried in this order. All but the last compute the same; each costs more time than the one before it, or more
transfers, and takes less memory:

1. everything on the device;
2. the averaged weights in host memory: one transfer of the weights a step;
3. activation checkpointing too: the forward pass is computed twice;
4. the optimizer in host memory, without and then with checkpointing: gradients go to the host and weights come back
   once a step, where Adam runs on the CPU;
5. Adafactor inside of the backward pass, without clipping: other arithmetic than the paper's, and only where the
   whole batch passes at once. The last resort.

The first whose micro-batch reaches ``ENOUGH`` samples is chosen, else the leanest of 1 to 4, with as many as fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from train.config import Precision, StageConfig
from train.models import count_parameters
from train.plan.trace import Footprint, trace
from train.presets import merged

RESERVE = 1 << 29
"""Bytes of the card that are left to the CUDA context, the workspaces of cuDNN, and fragmentation."""
ENOUGH = 32
"""A micro-batch of so many samples is not traded for slower settings that would allow a larger one."""

_HOST = {"optimizer_on_host": True, "ema_on_host": True}
_EXACT: tuple[dict[str, Any], ...] = (
    {},
    {"memory": {"ema_on_host": True}},
    {"memory": {"checkpointing": True}},
    {"memory": {"checkpointing": True, "ema_on_host": True}},
    {"memory": _HOST},
    {"memory": {"checkpointing": True, **_HOST}},
)
_LAST_RESORT: dict[str, Any] = {
    "optim": {"name": "adafactor", "clip": None},
    "memory": {"checkpointing": True, "optimizer_in_backward": True, "ema_on_host": True},
}


@dataclass(frozen=True)
class StagePlan:
    """What was chosen for a stage, and the memory it takes; bytes throughout."""

    config: StageConfig
    """The stage's settings with those chosen."""
    settings: dict[str, Any]
    """Those chosen alone, as nested dictionaries."""
    parameters: int
    micro_batch: int
    """The largest that fits; 0 where not even one sample does."""
    footprint: Footprint
    """Measured at ``micro_batch``, or at 1 where that is 0."""

    @property
    def gradients(self) -> int:
        """Bytes of all gradients, 0 where each is freed at once."""
        return 0 if self.config.memory.optimizer_in_backward else self.footprint.weights

    @property
    def activations(self) -> int:
        """Bytes of the peak that are none of weights, gradients, optimizer and averaged weights."""
        resident = self.footprint.weights + self.gradients + self.footprint.optimizer + self.footprint.ema
        return self.footprint.peak - resident

    @property
    def accumulation(self) -> int:
        """Forward and backward passes to one optimizer step."""
        return math.ceil(self.config.data.batch / max(1, self.micro_batch))

    @property
    def needed(self) -> int:
        """Bytes of a card that would do for these settings."""
        return self.footprint.peak + RESERVE


def plan_stage(config: StageConfig, memory: int, precision: Precision, batch: int) -> StagePlan:
    """Return the plan of a stage, at ``batch`` samples an optimizer step, for a card of ``memory`` bytes."""
    budget, enough = memory - RESERVE, min(ENOUGH, batch)
    base: dict[str, Any] = {"precision": precision, "data": {"batch": batch}}
    for settings in _EXACT:
        chosen = merged(base, settings)
        candidate = _with(config, chosen, enough)
        if _resident(candidate) <= budget and trace(candidate).peak <= budget:
            break
    micro = largest(lambda size: trace(_with(config, chosen, size)).peak, budget, enough, batch)
    if micro == 0 and precision != "fp16":
        at_once = merged(base, _LAST_RESORT)
        if trace(_with(config, at_once, batch)).peak <= budget:
            chosen, micro = at_once, batch
    final = _with(config, chosen, max(1, micro))
    footprint = trace(final)
    settings = merged(chosen, {"memory": {"micro_batch": max(1, micro)}})
    return StagePlan(final, settings, footprint.weights // 4, micro, footprint)


def largest(peak: Callable[[int], int], budget: int, first: int, most: int) -> int:
    """Return the largest size in [1, most] whose peak is within the budget, 0 for none.

    The peak is nearly affine in the size: from two measurements the next size is extrapolated and measured in its
    turn, until the size after the one that fits is known not to.
    """
    known = {size: peak(size) for size in {first, max(1, first // 4)}}
    while True:
        fitting = max((size for size in known if known[size] <= budget), default=0)
        beyond = min((size for size in known if known[size] > budget), default=most + 1)
        if beyond - fitting == 1:
            return fitting
        guess = min(max(_extrapolated(known, budget), fitting + 1), beyond - 1)
        known[guess] = peak(guess)


def _extrapolated(known: dict[int, int], budget: int) -> int:
    """Return the size whose peak would be the budget, on the line through the two largest sizes measured."""
    if len(known) == 1:
        return 1
    low, high = sorted(known)[-2:]
    slope = (known[high] - known[low]) / (high - low)
    return math.floor(high + (budget - known[high]) / max(slope, 1.0))


def _with(config: StageConfig, settings: dict[str, Any], micro_batch: int) -> StageConfig:
    values = merged(config.model_dump(), merged(settings, {"memory": {"micro_batch": micro_batch}}))
    return StageConfig.model_validate(values)


def _resident(config: StageConfig) -> int:
    """Return a lower bound of the peak that takes no trace: weights and gradients, Adam's moments, the average."""
    copies = 2 + 2 * (not config.memory.optimizer_on_host) + (not config.memory.ema_on_host)
    return 4 * copies * count_parameters(config.model)

"""Dynamic loss scaling for fp16, as torch.amp.GradScaler does it, on any device and with a state that can be saved.

The scale is a power of two, so that scaling and unscaling are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

GROWTH, BACKOFF, INTERVAL = 2.0, 0.5, 2000
"""GradScaler's defaults: the scale doubles after 2000 steps without an overflow, and halves at each overflow."""


@dataclass
class LossScale:
    """The scale and what its next change depends on."""

    scale: float = 65536.0
    """What the loss is multiplied by before the backward pass."""
    good: int = 0
    """Steps with finite gradients since the last change."""

    def unscale(self, gradients: Sequence[Tensor]) -> None:
        """Divide the gradients by the scale, in place."""
        torch._foreach_mul_(list(gradients), 1.0 / self.scale)

    def update(self, finite: bool) -> None:
        """Take note of a step: whether all of its gradients were finite."""
        if not finite:
            self.scale, self.good = self.scale * BACKOFF, 0
            return
        self.good += 1
        if self.good == INTERVAL:
            self.scale, self.good = self.scale * GROWTH, 0

    def state(self) -> dict[str, float]:
        """Return what a checkpoint has to hold."""
        return asdict(self)

    def load(self, state: dict[str, float]) -> None:
        """Take the state of a checkpoint."""
        self.scale, self.good = state["scale"], int(state["good"])

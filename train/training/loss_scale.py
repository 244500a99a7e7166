"""Dynamic loss scaling for fp16, as in torch.amp.GradScaler, but for any device and without synchronisation.

The scale is a power of two, so that scaling and unscaling are exact. It stays on the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

GROWTH, BACKOFF, INTERVAL = 2.0, 0.5, 2000
"""GradScaler's defaults: the scale doubles after 2000 steps without an overflow, and halves at each overflow."""
INITIAL = 65536.0


@dataclass
class LossScale:
    """The loss scale, and the counter that decides when it grows."""

    scale: Tensor
    """Factor of the loss before the backward pass, (), float32."""
    good: Tensor
    """Steps with finite gradients since the last change, (), int64."""

    @classmethod
    def initial(cls, device: torch.device) -> LossScale:
        """Return the scale before the first step."""
        return cls(torch.tensor(INITIAL, device=device), torch.tensor(0, device=device))

    def unscale(self, gradients: Sequence[Tensor]) -> None:
        """Divide the gradients by the scale, in place."""
        torch._foreach_mul_(list(gradients), 1.0 / self.scale)

    def update(self, finite: Tensor) -> None:
        """Adjust the scale after a step; ``finite``, a boolean (), is whether its loss and gradients were."""
        due = self.good + 1 == INTERVAL
        grown = torch.where(due, self.scale * GROWTH, self.scale)
        self.scale = torch.where(finite, grown, self.scale * BACKOFF)
        self.good = torch.where(finite & ~due, self.good + 1, torch.zeros_like(self.good))

    def state(self) -> dict[str, float]:
        """Return the state for a checkpoint."""
        return {"scale": float(self.scale), "good": int(self.good)}

    def load(self, state: dict[str, float]) -> None:
        """Restore the state from a checkpoint."""
        self.scale.fill_(state["scale"])
        self.good.fill_(int(state["good"]))

"""Floating-point operations (FLOPs) of a training step, computed from the network's shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from train.configuration.stage_config import StageConfig
from train.models import ModelConfig, ParallelUNetConfig, build_model
from train.models.condition import Condition

_PASSES = 3
"""A backward pass takes twice the FLOPs of a forward pass; recomputation by checkpointing is not counted."""


def flops_per_image(config: StageConfig) -> int:
    """Return the FLOPs of training on one image; a multiply-add counts as two."""
    return _PASSES * forward_flops(config.model, config.crop or config.size)


@cache
def forward_flops(model: ModelConfig, side: int) -> int:
    """Return the FLOPs of one forward pass on a ``side`` × ``side`` image, traced on the meta device."""
    with torch.device("meta"), torch.no_grad(), _Counter() as counter:
        build_model(model).eval()(*_shapes(model, side))
    return int(counter.total)


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts with the formulas of `FlopCounterMode`, whose own module takes seconds to import the compiler."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operator and add its FLOPs."""
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.total += int(formula(*args, **(kwargs or {}), out_val=result))
        return result


def _shapes(model: ModelConfig, side: int) -> tuple[torch.Tensor, torch.Tensor, Condition]:
    image, t = torch.empty(1, 3, side, side), torch.empty(1)
    if not isinstance(model, ParallelUNetConfig):
        return image, t, Condition(torch.empty(1, 1), low_res=image)
    pose, low_res = torch.empty(1, model.keypoints, 3), image if model.low_res_channels else None
    return image, t, Condition(torch.empty(1, model.condition_images), image, image, pose, pose, low_res)

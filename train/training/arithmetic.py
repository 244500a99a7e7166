"""Floating-point operations of a training step, counted from the network's shapes."""

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
"""A forward pass, and a backward pass that is twice as much: what is computed a second time is not counted."""


def flops_per_image(config: StageConfig) -> int:
    """Return the operations that training on one image takes; an addition and a multiplication are two."""
    return _PASSES * forward_flops(config.model, config.crop or config.size)


@cache
def forward_flops(model: ModelConfig, side: int) -> int:
    """Return those of one forward pass over one image of ``side`` pixels; nothing is computed."""
    with torch.device("meta"), torch.no_grad(), _Counter() as counter:
        build_model(model).eval()(*_shapes(model, side))
    return int(counter.total)


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """`FlopCounterMode`'s own formulas, without the compiler that it imports first, which takes seconds."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operator and add what it takes."""
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

"""Floating-point operations, the CPU's fused attention among them, which `FlopCounterMode` by itself leaves out."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

_ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_ATTENTION_BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
_Shape = tuple[int, ...]


def counting() -> FlopCounterMode:
    """Return a counter of what runs inside of it; attention counts two matrix products forward, four backward."""
    return FlopCounterMode(display=False, custom_mapping={_ATTENTION: _forward, _ATTENTION_BACKWARD: _backward})


def _forward(q: _Shape, k: _Shape, v: _Shape, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(q, k, v))  # type: ignore[no-untyped-call]


def _backward(_grad: _Shape, q: _Shape, k: _Shape, v: _Shape, *_: Any, **__: Any) -> int:
    return 2 * _forward(q, k, v)  # what the kernel computes a second time is not counted

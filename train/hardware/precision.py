"""Precision of the forward and backward pass: names, dtypes, and the autocast context."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["fp32", "bf16", "fp16"]

DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Return the autocast context for the network, in training and in sampling."""
    # With fp32 autocast is disabled and ignores the dtype, but it warns of one that it does not support.
    dtype = torch.bfloat16 if precision == "fp32" else DTYPES[precision]
    return torch.autocast(device.type, dtype, enabled=precision != "fp32")

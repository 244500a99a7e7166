"""GPUs: this machine's own, and the models known by name (`trainer plan --card`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from train.hardware.precision import Precision
from train.hardware.world import World

MIB = 1 << 20
CardName = Literal["t4", "l4", "a10", "4090", "a100-40", "a100-80", "h100"]

AMPERE = (8, 0)
"""Lowest compute capability with bf16 and TF32 tensor cores."""


@dataclass(frozen=True)
class Card:
    """The properties of a GPU that planning and utilisation figures depend on."""

    name: str
    memory: int
    """Bytes, as reported by the driver: less than the nominal size."""
    has_bf16: bool
    peaks: dict[Precision, float]
    """Peak dense TFLOP/s of the tensor cores by the vendor's data sheet (fp32 as TF32); empty if unknown."""


CARDS: dict[CardName, Card] = {
    "t4": Card("T4", 14_910 * MIB, False, {"fp16": 65.0, "fp32": 8.1}),
    "l4": Card("L4", 22_490 * MIB, True, {"bf16": 121.0, "fp16": 121.0, "fp32": 60.0}),
    "a10": Card("A10", 22_490 * MIB, True, {"bf16": 125.0, "fp16": 125.0, "fp32": 62.5}),
    "4090": Card("RTX 4090", 24_080 * MIB, True, {"bf16": 165.2, "fp16": 165.2, "fp32": 82.6}),
    "a100-40": Card("A100 40 GB", 40_320 * MIB, True, {"bf16": 312.0, "fp16": 312.0, "fp32": 156.0}),
    "a100-80": Card("A100 80 GB", 81_040 * MIB, True, {"bf16": 312.0, "fp16": 312.0, "fp32": 156.0}),
    "h100": Card("H100 SXM", 81_000 * MIB, True, {"bf16": 989.0, "fp16": 989.0, "fp32": 495.0}),
}
"""GPUs by name. Memory is `total_memory` as reported by users, rounded down; sources: docs/design/memory.md."""

_PEAKS_BY_PART = {
    "T4": "t4", "L4": "l4", "A10": "a10", "RTX 4090": "4090", "A100": "a100-80", "H100": "h100", "H200": "h100",
}  # fmt: skip


def card_of(device: torch.device) -> Card | None:
    """Return the GPU behind ``device``, with the memory that is free now; None for a CPU."""
    if device.type != "cuda":
        return None
    properties = torch.cuda.get_device_properties(device)
    # Memory cached by this process's allocator counts as free: it is used first.
    cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    free = torch.cuda.mem_get_info(device)[0] + cached
    return Card(properties.name, free, has_bf16(device), peaks_of(properties.name))


def peaks_of(name: str) -> dict[Precision, float]:
    """Return the peaks of the GPU with that device name ("NVIDIA H100 80GB HBM3"); empty for an unknown one."""
    words = name.replace("-", " ").split()
    for part, known in _PEAKS_BY_PART.items():
        if all(word in words for word in part.split()):
            return CARDS[known].peaks  # type: ignore[index]
    return {}


def peak_tflops(precision: Precision, world: World) -> float | None:
    """Return the peak TFLOP/s of all GPUs of a run in this precision; None if unknown."""
    if world.device.type != "cuda":
        return None
    peak = peaks_of(torch.cuda.get_device_name(world.device)).get(precision)
    return peak * world.size if peak else None


def has_bf16(device: torch.device) -> bool:
    """Return whether a GPU supports bf16 natively."""
    return torch.cuda.get_device_capability(device) >= AMPERE


def prepare(device: torch.device) -> None:
    """On a GPU, enable cuDNN benchmarking, and TF32 for fp32 matrix multiplications."""
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")

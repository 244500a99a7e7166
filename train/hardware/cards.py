"""Cards: the one of this machine, and those that are known by name (`trainer plan --card`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from train.hardware.precision import Precision
from train.hardware.world import World

MIB = 1 << 20
CardName = Literal["t4", "l4", "a10", "4090", "a100-40", "a100-80", "h100"]

AMPERE = (8, 0)
"""Compute capability from which on cards multiply in bf16 and TF32."""


@dataclass(frozen=True)
class Card:
    """What planning and utilisation depend on."""

    name: str
    memory: int
    """Bytes that its driver reports, which are fewer than those on the label."""
    has_bf16: bool
    peaks: dict[Precision, float]
    """Dense TFLOP/s on its tensor cores by the maker's data sheet (fp32 as TF32); empty where it is not known."""


CARDS: dict[CardName, Card] = {
    "t4": Card("T4", 14_910 * MIB, False, {"fp16": 65.0, "fp32": 8.1}),
    "l4": Card("L4", 22_490 * MIB, True, {"bf16": 121.0, "fp16": 121.0, "fp32": 60.0}),
    "a10": Card("A10", 22_490 * MIB, True, {"bf16": 125.0, "fp16": 125.0, "fp32": 62.5}),
    "4090": Card("RTX 4090", 24_080 * MIB, True, {"bf16": 165.2, "fp16": 165.2, "fp32": 82.6}),
    "a100-40": Card("A100 40 GB", 40_320 * MIB, True, {"bf16": 312.0, "fp16": 312.0, "fp32": 156.0}),
    "a100-80": Card("A100 80 GB", 81_040 * MIB, True, {"bf16": 312.0, "fp16": 312.0, "fp32": 156.0}),
    "h100": Card("H100 SXM", 81_000 * MIB, True, {"bf16": 989.0, "fp16": 989.0, "fp32": 495.0}),
}
"""Cards by name. Memory is `total_memory` as users report it, rounded down; docs/memory.md has the sources."""

_PEAKS_BY_PART = {
    "T4": "t4", "L4": "l4", "A10": "a10", "RTX 4090": "4090", "A100": "a100-80", "H100": "h100", "H200": "h100",
}  # fmt: skip


def card_of(device: torch.device) -> Card | None:
    """Return the card that ``device`` is; None for a CPU. Its memory is what is free now."""
    if device.type != "cuda":
        return None
    properties = torch.cuda.get_device_properties(device)
    # What the allocator holds for this process counts as free: it takes it first.
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    free = torch.cuda.mem_get_info(device)[0] + held
    return Card(properties.name, free, has_bf16(device), peaks_of(properties.name))


def peaks_of(name: str) -> dict[Precision, float]:
    """Return the peaks of the card of that name ("NVIDIA H100 80GB HBM3"), nothing for one that is not known."""
    words = name.replace("-", " ").split()
    for part, known in _PEAKS_BY_PART.items():
        if all(word in words for word in part.split()):
            return CARDS[known].peaks  # type: ignore[index]
    return {}


def peak_tflops(precision: Precision, world: World) -> float | None:
    """Return what all cards of a training can do together in this precision; None where that is not known."""
    if world.device.type != "cuda":
        return None
    peak = peaks_of(torch.cuda.get_device_name(world.device)).get(precision)
    return peak * world.size if peak else None


def has_bf16(device: torch.device) -> bool:
    """Return whether a card multiplies in bf16 itself."""
    return torch.cuda.get_device_capability(device) >= AMPERE


def prepare(device: torch.device) -> None:
    """Have a card choose its fastest convolutions, and multiply in TF32 where fp32 is asked for."""
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")

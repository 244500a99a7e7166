"""GPU memory of sampling: one guided pass of each stage on fake tensors.

    python benchmarks/sampling_memory.py

Prints a Markdown table in GiB: a stage's weights, and the additional peak by batch size (guidance doubles the batch).
Needs no GPU; workspaces inside CUDA kernels are not counted.
"""

from __future__ import annotations

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import train.hardware.runtime  # noqa: F401  malloc and OpenMP as `trainer` has them
from train.configuration.presets import Preset, preset_config
from train.configuration.stage_config import STAGES, StageConfig
from train.memory.live import LiveMemory
from train.models import build_model
from train.models.condition import Condition

PICTURES = (1, 2, 4, 8)
PRESETS: tuple[Preset, ...] = ("small", "paper")


def footprint(config: StageConfig, pictures: int) -> tuple[float, float]:
    """Return the weights and the rest of the peak, in GiB, of a pass over twice ``pictures`` (B, 3, size, size)."""
    batch, size = 2 * pictures, config.size
    with FakeTensorMode(allow_non_fake_inputs=True), LiveMemory() as memory, torch.no_grad():
        model = build_model(config.model)
        weights = memory.device
        z_t, image = torch.zeros(2, batch, 3, size, size).unbind()
        pose = torch.zeros(batch, 17, 3)
        levels = torch.zeros(batch, 2 * config.is_try_on + bool(config.low_res))
        low_res = image if config.low_res else None
        condition = Condition(levels, low_res=low_res)
        if config.is_try_on:
            condition = Condition(levels, image, image, pose, pose, low_res)
        model(z_t, torch.zeros(batch), condition)
        return weights / 2**30, (memory.device_peak - weights) / 2**30


def main() -> None:
    print("| preset | stage | weights | " + " | ".join(f"{n} at a time" for n in PICTURES) + " |")
    print("|---" * (3 + len(PICTURES)) + "|")
    for preset in PRESETS:
        for stage in STAGES:
            footprints = [footprint(preset_config(preset, stage), pictures) for pictures in PICTURES]
            print(
                f"| {preset} | {stage} | {footprints[0][0]:.2f} | "
                + " | ".join(f"{rest:.2f}" for _, rest in footprints)
                + " |"
            )


if __name__ == "__main__":
    main()

"""What the cascade costs at the paper's batch and steps, counted in FLOPs: docs/measurements/scaling.md has the table.

    python benchmarks/scaling.py

FLOPs are those of one forward and backward pass (`FlopCounterMode`) on fake tensors; optimizer, noise and loss add less
than a hundredth. A card's days are FLOPs / (peak × utilisation); what checkpointing computes again is not in them.
"""

from __future__ import annotations

import torch
from arithmetic import counting
from torch._subclasses.fake_tensor import FakeTensorMode

from train.configuration.presets import Preset, preset_config
from train.configuration.stage_config import STAGES, StageConfig
from train.diffusion.schedule import make_schedule
from train.memory.live import LiveMemory
from train.memory.trace import blank_batch
from train.training.step import Stepper, begin, sample_losses

BATCH, STEPS = 256, 500_000
UTILISATION = 0.35
DAY = 86_400
CARDS = {"T4, fp16": 65, "L4, bf16": 121, "RTX 4090, bf16": 165, "A100, bf16": 312, "H100 SXM, bf16": 989}
"""Dense tensor-core peaks by the makers' data sheets, TFLOP/s."""


def main() -> None:
    print(
        f"| preset, stage | TFLOP a picture and step | EFLOP in all | {' | '.join(f'{card}, days' for card in CARDS)} |"
    )
    print("|---" * (3 + len(CARDS)) + "|")
    presets: tuple[Preset, ...] = ("small", "paper")
    for preset in presets:
        for stage in STAGES:
            picture = flops(preset_config(preset, stage))
            total = picture * BATCH * STEPS
            days = [total / (peak * 1e12 * UTILISATION) / DAY for peak in CARDS.values()]
            cells = [f"{picture / 1e12:.3f}", f"{total / 1e18:.1f}", *(f"{day:,.0f}" for day in days)]
            print(f"| {preset} {stage} | {' | '.join(cells)} |", flush=True)


def flops(config: StageConfig) -> int:
    """Return the floating-point operations of a forward and backward pass over one picture."""
    cpu = torch.device("cpu")
    with FakeTensorMode(allow_non_fake_inputs=True), LiveMemory(), counting() as counter:
        model = begin(config, cpu).model
        stepper = Stepper(config, make_schedule(config.diffusion.schedule), cpu)
        sample_losses(model, blank_batch(config, 1), stepper).sum().backward()  # type: ignore[no-untyped-call]
    return int(counter.get_total_flops())


if __name__ == "__main__":
    main()

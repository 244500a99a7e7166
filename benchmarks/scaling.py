"""Training cost of the cascade at the paper's batch size and steps, from counted FLOPs: the table of
docs/measurements/scaling.md.

    python benchmarks/scaling.py

FLOPs are those of the network's forward and backward pass, as `trainer fit` counts them for its utilisation; optimizer,
noise and loss add less than a hundredth. A card's days are FLOPs / (peak × utilisation); recomputation by activation
checkpointing is not counted.
"""

from __future__ import annotations

from train.configuration.presets import Preset, preset_config
from train.configuration.stage_config import STAGES
from train.hardware.cards import CARDS, Card, CardName
from train.hardware.precision import Precision
from train.training.flops import flops_per_image

BATCH, STEPS = 256, 500_000
UTILISATION = 0.35
DAY = 86_400
_SHOWN: tuple[CardName, ...] = ("t4", "l4", "4090", "a100-80", "h100")
COLUMNS: list[tuple[Card, Precision]] = [
    (CARDS[name], "bf16" if CARDS[name].has_bf16 else "fp16") for name in _SHOWN
]  # fmt: skip
"""(card, precision that it trains in)."""


def main() -> None:
    titles = [f"{card.name}, {precision}, days" for card, precision in COLUMNS]
    print(f"| preset, stage | TFLOP per image and step | total EFLOP | {' | '.join(titles)} |")
    print("|---" * (3 + len(COLUMNS)) + "|")
    presets: tuple[Preset, ...] = ("small", "paper")
    for preset in presets:
        for stage in STAGES:
            per_image = flops_per_image(preset_config(preset, stage))
            total = per_image * BATCH * STEPS
            days = [total / (card.peaks[precision] * 1e12 * UTILISATION) / DAY for card, precision in COLUMNS]
            cells = [f"{per_image / 1e12:.3f}", f"{total / 1e18:.1f}", *(f"{day:,.0f}" for day in days)]
            print(f"| {preset} {stage} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

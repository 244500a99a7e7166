"""Training cost of the cascade from counted FLOPs, at the paper's batch size and steps, and of `small` at its own: two
tables of docs/measurements/scaling.md.

    python benchmarks/scaling.py

FLOPs are those of the network's forward and backward pass, as `trainer fit` counts them for its utilisation; optimizer,
noise and loss add less than a hundredth. Of a stage that learns from images of the one before, the second table also
counts the sampling of these images. A card's days are FLOPs / (peak × utilisation); recomputation by activation
checkpointing is not counted.
"""

from __future__ import annotations

from train.configuration.presets import Preset, preset_config
from train.configuration.stage_config import STAGES, Stage, StageConfig
from train.hardware.cards import CARDS, Card, CardName
from train.hardware.precision import Precision
from train.inference.previous_stage import sampled_in
from train.training.flops import flops_per_image, forward_flops

BATCH, STEPS = 256, 500_000
UTILISATION = 0.35
DAY = 86_400
_SHOWN: tuple[CardName, ...] = ("t4", "l4", "4090", "a100-80", "h100")
COLUMNS: list[tuple[Card, Precision]] = [
    (CARDS[name], "bf16" if CARDS[name].has_bf16 else "fp16") for name in _SHOWN
]  # fmt: skip
"""(card, precision that it trains in)."""


def main() -> None:
    """Print both tables."""
    _at_the_papers_length()
    print()
    _at_its_own_length("small")


def _header(*names: str, unit: str) -> None:
    titles = (*names, *(f"{card.name}, {precision}, {unit}" for card, precision in COLUMNS))
    print(f"| {' | '.join(titles)} |")
    print("|---" * len(titles) + "|")


def _days(operations: float) -> list[float]:
    """Return how long each card takes."""
    return [operations / (card.peaks[precision] * 1e12 * UTILISATION) / DAY for card, precision in COLUMNS]


def _at_the_papers_length() -> None:
    _header("preset, stage", "TFLOP per image and step", "total EFLOP", unit="days")
    presets: tuple[Preset, ...] = ("small", "paper")
    for preset in presets:
        for stage in STAGES:
            per_image = flops_per_image(preset_config(preset, stage))
            total = per_image * BATCH * STEPS
            cells = [f"{per_image / 1e12:.3f}", f"{total / 1e18:.1f}", *(f"{day:,.0f}" for day in _days(total))]
            print(f"| {preset} {stage} | {' | '.join(cells)} |", flush=True)


def _at_its_own_length(preset: Preset) -> None:
    _header("preset, stage", "steps", "batch", "TFLOP per image and step", "total EFLOP", unit="hours")
    totals: list[float] = []
    for stage in STAGES:
        config = preset_config(preset, stage)
        per_image = flops_per_image(config) + _sampling_flops(config, preset)
        totals.append(per_image * config.data.batch * config.steps)
        hours = (f"{24 * day:,.0f}" for day in _days(totals[-1]))
        cells = [f"{config.steps:,}", str(config.data.batch), f"{per_image / 1e12:.3f}", f"{totals[-1] / 1e18:.2f}"]
        print(f"| {preset} {stage} | {' | '.join([*cells, *hours])} |")
    hours = (f"{24 * day:,.0f}" for day in _days(sum(totals)))
    print(f"| all three | | | | {sum(totals) / 1e18:.2f} | {' | '.join(hours)} |")


def _sampling_flops(config: StageConfig, preset: Preset) -> float:
    """Return the FLOPs of sampling a training image's low-resolution input from the stage before."""
    if not config.diffusion.own_low_res:
        return 0.0
    before: Stage = STAGES[STAGES.index(config.stage) - 1]
    previous = preset_config(preset, before)
    return config.diffusion.own_low_res * sampled_in(previous) * forward_flops(previous.model, previous.size)


if __name__ == "__main__":
    main()

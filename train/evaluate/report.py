"""An evaluation as a table for people and as one JSON object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from train.cascade import TrainedStage
from train.data import ShardFolder
from train.evaluate.run import Evaluation

_COLUMNS = {
    "psnr": ("PSNR", 2), "psnr_inside": ("inside", 2), "psnr_outside": ("outside", 2),
    "ssim": ("SSIM", 4), "ssim_inside": ("inside", 4), "ssim_outside": ("outside", 4),
    "lpips": ("LPIPS", 4),
}  # fmt: skip


def as_json(result: Evaluation, how: dict[str, str]) -> dict[str, Any]:
    """Return one object: `metrics` of the whole cascade, `stages`, `left_out`, and how it was made."""
    stages: dict[str, Any] = {name: dict(figures) for name, figures in result.stages.items()}
    for name, figures in result.bicubic.items():
        stages[name]["bicubic"] = figures
    return {
        "metrics": result.metrics,
        "stages": stages,
        "left_out": result.left_out,
        "pairs": result.pairs,
        "weights": result.weights,
        "how": how,
    }


def as_text(result: Evaluation, stages: Sequence[TrainedStage], shards: ShardFolder) -> str:
    """Return a table: a row a stage, and below it what bicubic enlargement of the stage's own input would do."""
    lines = [
        f"{result.pairs} people of {shards.folder}, each in the garment of their own sample, against their photograph"
    ]
    lines.append(_line("", [title for title, _ in _COLUMNS.values()]))
    for stage in stages:
        name = stage.config.stage
        lines.append(_line(f"{name}, {stage.config.size}²", _cells(result.stages[name])))
        if name in result.bicubic:
            lines.append(_line("  bicubic instead", _cells(result.bicubic[name])))
    lines.append("inside, outside: of what Ia hides. PSNR in dB")
    if result.distances:
        fid, kid = result.distances["fid"], result.distances["kid"]
        lines.append(f"the same people in garments of others: FID {fid:.3f}, KID × 1000 {1000 * kid:.3f}")
    return "\n".join(lines)


def _cells(figures: dict[str, float]) -> list[str]:
    return [f"{figures[key]:.{digits}f}" if key in figures else "–" for key, (_, digits) in _COLUMNS.items()]


def _line(name: str, cells: Sequence[str]) -> str:
    return (f"{name:<18}" + "".join(f"{cell:>9}" for cell in cells)).rstrip()

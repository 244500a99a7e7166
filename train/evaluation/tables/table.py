"""An evaluation as a table for people and as one JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from train.data import ShardFolder
from train.evaluation.evaluating import Evaluation
from train.evaluation.swaps import SwapMetrics
from train.evaluation.tables.columns import Columns, figure_row, titles
from train.evaluation.tables.retrieval_table import retrieval_json, retrieval_lines
from train.inference.cascade import TrainedStage

_COLUMNS = {
    "psnr": ("PSNR", 2), "psnr_inside": ("inside", 2), "psnr_outside": ("outside", 2),
    "ssim": ("SSIM", 4), "ssim_inside": ("inside", 4), "ssim_outside": ("outside", 4),
    "lpips": ("LPIPS", 4),
}  # fmt: skip


_SWAP_COLUMNS = {
    "psnr_inside": ("inside", 2), "psnr_outside": ("outside", 2), "kept_psnr": ("kept", 2),
    "ssim_inside": ("SSIM in", 4), "ssim_outside": ("out", 4),
    "retrieval@1": ("R@1", 3), "sleeve@1": ("sleeve", 3), "kind@1": ("kind", 3),
}  # fmt: skip


def as_json(result: Evaluation, how: dict[str, str]) -> dict[str, Any]:
    """Return one object: `metrics` of the whole cascade, `stages`, `left_out`, and how it was made.

    `truth` and `retrieval` are in it if they were measured.
    """
    stages: dict[str, Any] = {name: dict(figures) for name, figures in result.stages.items()}
    for name, figures in result.bicubic.items():
        stages[name]["bicubic"] = figures
    return {
        "metrics": result.metrics,
        "stages": stages,
        **({"truth": asdict(result.swaps)} if result.swaps else {}),
        **({"retrieval": retrieval_json(result.retrieval)} if result.retrieval else {}),
        "left_out": result.left_out,
        "warnings": result.warnings,
        "pairs": result.pairs,
        "weights": result.weights,
        "how": how,
    }


def as_text(result: Evaluation, stages: Sequence[TrainedStage], shards: ShardFolder) -> str:
    """Return a table: one row per stage, followed by bicubic upsampling of its input as a baseline."""
    lines = [f"{result.pairs} people of {shards.folder}, each in their own garment, compared with their photograph"]
    lines.append(titles(_COLUMNS))
    for stage in stages:
        name = stage.config.stage
        rows = {"dressed": result.stages[name]}
        if name in result.bicubic:
            rows["bicubic"] = result.bicubic[name]
        lines += _rows(stage, rows, _COLUMNS)
    lines.append("inside, outside: of the region masked in Ia; PSNR in dB")
    if result.distances:
        fid, kid = result.distances["fid"], result.distances["kid"]
        lines.append(f"the same people in garments of others: FID {fid:.3f}, KID × 1000 {1000 * kid:.3f}")
    if result.swaps:
        lines += ["", *_swap_lines(result.swaps, stages)]
    if result.retrieval:
        lines += ["", *retrieval_lines(result.retrieval)]
    return "\n".join(lines)


def _swap_lines(swaps: SwapMetrics, stages: Sequence[TrainedStage]) -> list[str]:
    fewest, most = swaps.candidates
    among = f"{most}" if fewest == most else f"{fewest} to {most}"
    lines = [
        f"{swaps.people} people in garments they never wear, {swaps.swaps} swaps compared with ground truth; "
        f"R@1 among {among} candidates, chance {swaps.chance:.3f}",
        titles(_SWAP_COLUMNS),
    ]
    for stage in stages:
        lines += _rows(stage, swaps.stages[stage.config.stage], _SWAP_COLUMNS)
    lines.append("inside, outside: of the garment in the ground truth; kept: head, hands, other garments; PSNR in dB")
    lines.append("R@1: share of images whose nearest ground truth is their own; sleeve, kind: has the same")
    return lines


def _rows(stage: TrainedStage, rows: Mapping[str, Mapping[str, float]], columns: Columns) -> list[str]:
    config = stage.config
    return [figure_row(config.stage, config.size, row, figures, columns) for row, figures in rows.items()]

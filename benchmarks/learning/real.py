"""Overfit the few real looks that there are through all stages, and swap their garments."""

from __future__ import annotations

import json
import os
from pathlib import Path

from study_tools import HERE, ROOT, STAGES, fit, header, program, write

STEPS = {"base": 800, "sr256": 300, "sr1024": 400}


def real(folder: Path) -> None:
    """Train on the looks alone and compare with their photographs; pictures stay in the folder, whose data it is."""
    source = Path(os.environ.get("TRYON_REAL_DATA", ROOT.parent / "shared/data")) / "aihub-sample"
    shards, runs = folder / "real/shards", folder / "real/runs"
    program("preprocess", "build-shards", "--src", source, "--out", shards)
    minutes = {
        stage: fit(runs, shards, stage, HERE / f"{stage}.yaml", f"steps={STEPS[stage]}", "validation.every=0")
        for stage in STAGES
    }
    found = json.loads(program("train", "evaluate", "--runs", runs, "--shards", shards, "--split", "train", "--json"))
    lines = header("stage", "minutes", "PSNR, dB", "SSIM", "where Ia hides, dB", "bicubic, dB")
    for stage, values in found["stages"].items():
        bicubic = values.get("bicubic", {}).get("psnr")
        lines.append(
            f"| {stage} | {minutes[stage]:.1f} | {values['psnr']:.2f} | {values['ssim']:.3f} | "
            f"{values['psnr_inside']:.2f} | {'' if bicubic is None else f'{bicubic:.2f}'} |"
        )
    write("real", "\n".join(lines))
    program("train", "sample", "--runs", runs, "--shards", shards, "--split", "train", "--out", folder / "real/samples")

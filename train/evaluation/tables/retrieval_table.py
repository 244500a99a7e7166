"""Retrieval as a table for people and as one JSON object; neither has a figure without its protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from train.evaluation.retrieval import Protocol, Retrieval
from train.evaluation.tables.columns import figure_row, titles

_COLUMNS = {
    "right": ("right", 3), "near_colour": ("near col.", 3), "psnr": ("PSNR", 2), "ssim": ("SSIM", 4),
    "texture": ("texture", 3), "sharpness": ("sharp", 3), "lpips": ("LPIPS", 4),
}  # fmt: skip
_WIDTH = 10


def retrieval_json(result: Retrieval) -> dict[str, Any]:
    """Return `protocol`, with `chance`, and `stages`: stage → row → figures."""
    return {"protocol": asdict(result.protocol) | {"chance": result.protocol.chance}, "stages": result.stages}


def retrieval_lines(result: Retrieval) -> list[str]:
    """Return the protocol, a row for each stage and baseline, and what the columns mean."""
    protocol = result.protocol
    lines = _protocol_lines(protocol)
    lines.append(titles(_COLUMNS, _WIDTH))
    for stage, rows in result.stages.items():
        for row, figures in rows.items():
            lines.append(figure_row(stage, protocol.sizes[stage], row, figures, _COLUMNS, _WIDTH))
    chance, error = protocol.chance, (0.25 / protocol.people) ** 0.5
    return [
        *lines,
        f"right: share of people whose image in the garment really worn is nearest; chance {chance:.3f}, standard "
        f"error at most {error:.3f}",
        "near col.: the same among garments of nearly its colour; then the image in the own garment, over what Ia "
        "hides: PSNR in dB, SSIM,",
        "texture: distance of local edges from the photograph's, 0 equal, 1 flat or other; sharp: energy of high "
        "frequencies, 1 as the photograph",
    ]


def _protocol_lines(protocol: Protocol) -> list[str]:
    kinds = ", ".join(
        f"{count} {kind} (of {protocol.garments[kind]} garments)" for kind, count in protocol.kinds.items()
    )
    lines = [
        f"retrieval: {protocol.people} people of the split {protocol.split}, each in their own garment and "
        f"{protocol.k - 1} others; seed {protocol.seed}; {kinds}",
        *(
            f"excluded: {kind}, the split has {count} garments, fewer than {protocol.k}"
            for kind, count in protocol.too_few.items()
        ),
        f"nearest: {protocol.nearest}",
        f"others: {protocol.others}",
        f"near in colour: {protocol.near}",
    ]
    for stage, size in protocol.sizes.items():
        if f"{stage}.sampler" in protocol.sampling:
            lines.append(f"{stage}: {size}², {_sampling(protocol.sampling, stage)}")
    return [*lines, f"tryon-cascade {protocol.version}, shards {protocol.shards[:12]}"]


def _sampling(sampling: Mapping[str, str], stage: str) -> str:
    given = {name: sampling[f"{stage}.{name}"] for name in ("checkpoint", "weights", "sampler", "steps", "guidance")}
    return (
        f"{given['weights']} weights of step {given['checkpoint']}, {given['sampler']} in {given['steps']} steps, "
        f"guidance {given['guidance']}"
    )

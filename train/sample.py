"""Dressing people of a split in garments of others: pictures one by one, and a contact sheet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from schemas import AGNOSTIC, GARMENT, JG, JP, PERSON_256, UserError
from train.cascade import Overrides, TrainedStage, sample_cascade
from train.data import ShardFolder
from train.data.batches import to_size, to_tensor
from train.data.shards import Pixels
from train.diffusion.conditioning import TryOnInputs, from_uint8, to_uint8
from train.sheet import contact_sheet

_BATCH = 8


@dataclass(frozen=True)
class Pair:
    """Positions in the shards: the person of one sample, the garment of another."""

    person: int
    garment: int


def swapped_pairs(shards: ShardFolder, count: int) -> list[Pair]:
    """Pair people, spread over the split, each with a garment of the same kind that somebody else wears.

    Raise UserError where no two samples can be swapped.
    """
    samples = [shards.sample(position) for position in range(len(shards))]
    fronts = [p for p, sample in enumerate(samples) if sample.view == "front"] or list(range(len(samples)))
    step = max(1, len(fronts) // count)
    pairs: list[Pair] = []
    for person in fronts[::step][:count]:
        mine = samples[person]
        others = [
            p for p in fronts
            if samples[p].garment == mine.garment and samples[p].item != mine.item and samples[p].look != mine.look
        ]  # fmt: skip
        if others:
            pairs.append(Pair(person, others[(7 * len(pairs) + len(others) // 2) % len(others)]))
    if not pairs:
        raise UserError(
            f"--shards {shards.folder}: no two samples of this split whose garments can be swapped; "
            "build more shards, or try --split train"
        )
    return pairs


def sample_pairs(
    stages: Sequence[TrainedStage],
    shards: ShardFolder,
    pairs: Sequence[Pair],
    out: Path,
    *,
    seed: int,
    overrides: Overrides,
    device: torch.device,
    progress: Callable[[int, int], None],
) -> Path:
    """Write one PNG per pair, `<person>__<garment>.png`, and `sheet.png`. Returns the sheet's path."""
    out.mkdir(parents=True, exist_ok=True)
    rows: list[list[Pixels]] = []
    for start in range(0, len(pairs), _BATCH):
        progress(start, len(pairs))
        batch = pairs[start : start + _BATCH]
        inputs = [pair_inputs(stage, shards, batch, device) for stage in stages]
        # A pair's noise is keyed by the person's place in the shards: the same whatever else is in the batch.
        results = sample_cascade(stages, inputs, seed, [pair.person for pair in batch], overrides)
        pictures = [_to_pixels(result) for result in results]
        for row, pair in enumerate(batch):
            final = pictures[-1][row]
            name = f"{shards.keys[pair.person]}__{shards.keys[pair.garment]}.png"
            Image.fromarray(final).save(out / name)
            rows.append(_row(shards, pair, [stage[row] for stage in pictures]))
    progress(len(pairs), len(pairs))
    titles = ["person", "Ia", "garment, as worn", "Ic", *(f"{s.config.stage}, {s.config.size} px" for s in stages)]
    sheet = out / "sheet.png"
    contact_sheet(titles, rows).save(sheet)
    return sheet


def pair_inputs(
    stage: TrainedStage, shards: ShardFolder, pairs: Sequence[Pair], device: torch.device
) -> TryOnInputs:  # fmt: skip
    """Return (Ia, Jp) of the persons and (Ic, Jg) of the garments at the stage's size, or nothing for the third."""
    if not stage.config.is_try_on:
        return TryOnInputs()
    size = stage.config.size

    def pictures(positions: list[int], member: str) -> Tensor:
        return from_uint8(to_tensor([to_size(shards.picture(p, member), size) for p in positions])).to(device)

    def poses(positions: list[int], member: str) -> Tensor:
        return torch.from_numpy(np.stack([shards.pose(p, member) for p in positions])).to(device)

    people, garments = [pair.person for pair in pairs], [pair.garment for pair in pairs]
    return TryOnInputs(
        Ia=pictures(people, AGNOSTIC),
        Ic=pictures(garments, GARMENT),
        Jp=poses(people, JP),
        Jg=poses(garments, JG),
    )


def _row(shards: ShardFolder, pair: Pair, results: list[Pixels]) -> list[Pixels]:
    return [
        shards.picture(pair.person, PERSON_256),
        shards.picture(pair.person, AGNOSTIC),
        shards.picture(pair.garment, PERSON_256),
        shards.picture(pair.garment, GARMENT),
        *results,
    ]


def _to_pixels(pictures: Tensor) -> list[Pixels]:
    return list(to_uint8(pictures).permute(0, 2, 3, 1).cpu().numpy())

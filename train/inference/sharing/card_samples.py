"""Images for a model card: a few people of the shards in garments of others."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from common.errors import UserError
from train.data import ShardFolder
from train.inference.cascade import Overrides, TrainedStage
from train.inference.pair_selection import swapped_or_own_pairs
from train.inference.sampling import sample_pairs


def sample_images(stages: Sequence[TrainedStage], shards: Path, count: int) -> dict[str, bytes]:
    """Return PNGs by file name, and `sheet.png` of all of them. Raise UserError as `trainer sample` does."""
    try:
        data = ShardFolder(shards, "val")
    except UserError:
        data = ShardFolder(shards, "train")
    with tempfile.TemporaryDirectory() as folder:
        sample_pairs(
            stages, data, swapped_or_own_pairs(data, count), Path(folder),
            seed=0, overrides=Overrides(), device=torch.device("cpu"), progress=lambda _done, _total: None,
        )  # fmt: skip
        return {path.name: path.read_bytes() for path in sorted(Path(folder).glob("*.png"))}

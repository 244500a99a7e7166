"""Full tensors from a folder of safetensors files, each with the shards of one process (`shard_writer`).

    ema/shard-00001-of-00002.safetensors, shard-00002-of-00002.safetensors

No process group is needed: a file's header has the offset of each of its shards in the full tensor.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from common.errors import UserError
from common.text import one_line
from train.runs.tensors import load_tensors, read_shapes

HEADER: Final = "DCP_SHARDING_INFO"
"""The key in a file's header under which torch.distributed.checkpoint has JSON about each shard, by the tensor's name."""
OFFSETS: Final = "saved_offsets"
"""Therein, where the shard begins in the full tensor."""
FULL_SHAPE: Final = "full_shape"
"""Therein, the shape of the full tensor; torch ignores it."""

Shape = tuple[int, ...]


class Shard(NamedTuple):
    """Where a part of a tensor is stored, and where it belongs."""

    file: Path
    offset: Shape
    shape: Shape
    full_shape: Shape


class ShardedTensors(Mapping[str, Tensor]):
    """The full tensors of a folder; each is read on access, and not kept. Raise UserError if unreadable."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shards: dict[str, list[Shard]] = {}
        for path in sorted(folder.glob("*.safetensors")):
            for name, shard in _shards_in(path):
                self._shards.setdefault(name, []).append(shard)
        self.shapes: dict[str, Shape] = {}
        """Of the full tensors, by name."""
        for name, shards in self._shards.items():
            self.shapes[name] = shards[0].full_shape
            if sum(torch.Size(shard.shape).numel() for shard in shards) != torch.Size(self.shapes[name]).numel():
                raise UserError(f"{folder}: a shard of {name} is missing")

    def __getitem__(self, name: str) -> Tensor:
        full: Tensor | None = None
        try:
            for shard in self._shards[name]:
                with safe_open(shard.file, framework="pt") as file:
                    values = file.get_tensor(name)
                full = values.new_empty(self.shapes[name]) if full is None else full
                place = tuple(slice(start, start + n) for start, n in zip(shard.offset, shard.shape, strict=True))
                full[place].copy_(values)
        except (OSError, SafetensorError) as error:
            raise UserError(f"{self.folder}: cannot be read: {one_line(error)}") from error
        assert full is not None
        return full

    def __iter__(self) -> Iterator[str]:
        return iter(self._shards)

    def __len__(self) -> int:
        return len(self._shards)


def open_tensors(path: Path) -> Mapping[str, Tensor]:
    """Return the full tensors of a file, or of a folder of shards. Raise UserError if it cannot be read."""
    return ShardedTensors(path) if path.is_dir() else load_tensors(path)


def shapes_in(path: Path) -> dict[str, Shape]:
    """Return the shapes of the full tensors of a file, or of a folder of shards, without reading them."""
    return ShardedTensors(path).shapes if path.is_dir() else read_shapes(path)


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, Shape]:
    """Return the shapes of tensors, by name; shards are not read for it."""
    if isinstance(tensors, ShardedTensors):
        return tensors.shapes
    return {name: tuple(value.shape) for name, value in tensors.items()}


def _shards_in(path: Path) -> Iterator[tuple[str, Shard]]:
    """Yield the shards of a file by the tensor's name; empty ones have no place in a tensor."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[HEADER])
            for name in file.keys():  # noqa: SIM118  no mapping
                shape = tuple(file.get_slice(name).get_shape())
                offset, full_shape = (tuple(map(int, header[name][key])) for key in (OFFSETS, FULL_SHAPE))
                if torch.Size(shape).numel():
                    yield name, Shard(path, offset, shape, full_shape)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read: {one_line(error)}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a file of a run's shards") from error

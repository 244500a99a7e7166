"""Writing sharded tensors with torch.distributed.checkpoint: each process writes one safetensors file of its shards.

torch's HuggingFaceStorageReader reads what is written here. Its HuggingFaceStorageWriter would write the same format, but
makes bytes of all shards first: a second copy in memory, during which no other thread of the process can run.

Importing this module takes seconds, so only runs with FSDP import it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.metadata import Metadata
from torch.distributed.checkpoint.planner import SavePlan, SavePlanner
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.checkpoint.storage import StorageWriter, WriteResult
from torch.futures import Future

from common.atomic import sync_file, sync_folder
from train.hardware.world import World
from train.runs.sharded_tensors import FULL_SHAPE, HEADER, OFFSETS
from train.runs.tensors import save_tensors

def write_shards(folder: Path, tensors: Mapping[str, Tensor], world: World) -> Path | None:
    """Write this process's shards while the others write theirs; return its file, now durable, if it has any shard.

    A tensor that every process has is written by one of them. If one cannot write, all raise the same OSError.
    """
    writer = _ShardWriter(folder, world.rank, world.size)
    try:
        save({name: value.detach() for name, value in tensors.items()}, storage_writer=writer, process_group=world.group)
    except CheckpointException as failed:  # with the errors of all processes
        for error, _ in failed.failures.values():
            if isinstance(error, OSError):
                raise error from failed
        raise
    return writer.written


class _ShardWriter(StorageWriter):
    """Writes `shard-RANK-of-SIZE.safetensors`, counted from 1, into a folder."""

    def __init__(self, folder: Path, rank: int, size: int) -> None:
        self._folder = folder
        self._path = folder / f"shard-{rank + 1:05d}-of-{size:05d}.safetensors"
        self.written: Path | None = None
        """The file, once it is durable; None if the process has no shard."""

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """Do nothing: a writer serves one folder."""

    def set_up_storage_writer(self, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Do nothing: all processes do the same."""

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:  # noqa: ARG003
        """Return false: torch is not to choose this writer by the folder's name."""
        return False

    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        """Create the folder."""
        self._folder.mkdir(exist_ok=True)
        return plan

    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        """Return the plans: each shard is written by the process that has it."""
        return plans

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        """Write the file and make it durable."""
        shards: dict[str, Tensor] = {}
        header: dict[str, dict[str, list[int]]] = {}
        for item in plan.items:
            name, value = item.index.fqn, planner.resolve_data(item)
            assert isinstance(value, Tensor), "only tensors are saved"
            assert item.tensor_data is not None, "a tensor has a plan"
            shards[name] = value.contiguous()
            header[name] = {OFFSETS: list(item.tensor_data.chunk.offsets), FULL_SHAPE: list(item.tensor_data.size)}
        if shards:
            save_tensors(shards, self._path, {HEADER: json.dumps(header), "DCP_VERSION": "1.0", "format": "pt"})
            sync_file(self._path)
            sync_folder(self._folder)
            self.written = self._path
        done: Future[list[WriteResult]] = Future()
        done.set_result([])
        return done

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        """Do nothing: the headers have all that a reader needs."""

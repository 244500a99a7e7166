"""A checkpoint on its way to its files.

    snapshot = take_snapshot(training, world)      the steps wait for this
    snapshot.write(checkpoints, …, world)          not for this, under FSDP (`background_writer`)

Under FSDP a snapshot is a copy of this process's shards in host memory, and every process writes its own; no process
holds the whole. Otherwise it is the tensors themselves, which rank 0 writes at once.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from common.atomic import sync_file, sync_folder
from common.errors import writing
from train.hardware.world import PeerFailed, World
from train.runs.checkpoint_folder import AVERAGES, STATE, CheckpointFolder, sha256_of, temporary_of
from train.runs.tensors import save_tensors
from train.training.optim.power_averages import named
from train.training.parallel import copied_to_host
from train.training.state import Training


@dataclass(frozen=True)
class Snapshot:
    """What a checkpoint will hold."""

    step: int
    state: dict[str, Any]
    """`state.json`, without the checksums."""
    parts: dict[str, dict[str, Tensor]]
    """The tensors of each part; writing removes them."""

    def write(self, checkpoints: CheckpointFolder, keep: int, validation: Mapping[int, float], world: World) -> None:
        """Write the checkpoint; once it is durable, remove others. All processes call this together.

        Raise UserError if it cannot be written; then the existing checkpoints are unchanged.
        """
        final = checkpoints.path_of(self.step)
        temporary = temporary_of(final)
        with writing(f"{checkpoints.path}: cannot write {final.name}"):
            try:
                world.run_on_main(lambda: _begin(checkpoints, temporary))
                if world.kind == "fsdp":
                    checksums = _write_shards(temporary, self.parts, world)
                    world.run_on_main(lambda: self._finish(temporary, checksums))
                else:
                    world.run_on_main(lambda: self._finish(temporary, _write_whole(temporary, self.parts)))
            except (OSError, PeerFailed):
                if world.is_main:
                    shutil.rmtree(temporary, ignore_errors=True)  # to free its space
                raise
            world.run_on_main(lambda: _publish(checkpoints, final, keep, validation))

    def _finish(self, folder: Path, checksums: Mapping[str, str]) -> None:
        """Write the state with the checksums of all other files, and make both durable."""
        path = folder / STATE
        path.write_text(json.dumps({**self.state, "sha256": checksums}, indent=2) + "\n")
        sync_file(path)
        sync_folder(folder)


def take_snapshot(training: Training, world: World) -> Snapshot:
    """Return what a checkpoint of this moment holds; under FSDP, steps may change the training from then on."""
    parts: dict[str, Mapping[str, Tensor]] = {
        "model": training.model.state_dict(), "ema": training.ema, "optimizer": moments_of(training),
    }  # fmt: skip
    if training.averages:
        parts[AVERAGES] = named(training.averages)
    state = {
        "step": training.step,
        "scale": training.scale and training.scale.state(),
        "skipped": int(training.skipped),
        "skipped_in_a_row": int(training.skipped_in_a_row),
    }
    copies = world.kind == "fsdp"
    return Snapshot(
        training.step,
        state,
        {part: copied_to_host(tensors) if copies else dict(tensors) for part, tensors in parts.items()},
    )


def moments_of(training: Training) -> dict[str, Tensor]:
    """Return the optimizer's state by parameter and key, `0.weight/exp_avg`."""
    state = training.optimizer.state
    return {
        f"{name}/{key}": torch.as_tensor(value)
        for name, parameter in training.optimized_parameters.items()
        for key, value in state[parameter].items()
    }


def _begin(checkpoints: CheckpointFolder, temporary: Path) -> None:
    checkpoints.path.mkdir(parents=True, exist_ok=True)
    sync_folder(checkpoints.path.parent)
    checkpoints.remove_unfinished()
    temporary.mkdir()


def _write_whole(folder: Path, parts: dict[str, dict[str, Tensor]]) -> dict[str, str]:
    """Write each part to a file; return their checksums."""
    checksums = {}
    for part, values in parts.items():
        path = folder / f"{part}.safetensors"
        save_tensors({name: value.detach().contiguous() for name, value in values.items()}, path)
        checksums[path.name] = sha256_of(path)
        sync_file(path)
    return checksums


def _write_shards(folder: Path, parts: dict[str, dict[str, Tensor]], world: World) -> dict[str, str]:
    """Write this process's shards of each part while all others write theirs; return the checksums of all files."""
    from train.runs.shard_writer import write_shards

    written: list[Path] = []
    for part in list(parts):
        path = write_shards(folder / part, parts.pop(part), world)  # popped, to free the memory of each part in turn
        written += [] if path is None else [path]
    # Each process reads its own files again, so that this takes no longer with more of them.
    own = world.agree(lambda: {path.relative_to(folder).as_posix(): sha256_of(path) for path in written})
    return {name: digest for one in world.gather(own) for name, digest in sorted(one.items())}


def _publish(checkpoints: CheckpointFolder, final: Path, keep: int, validation: Mapping[int, float]) -> None:
    """Give a durable checkpoint its name, then remove others."""
    if final.exists():  # damaged, or the run would have resumed from it
        shutil.rmtree(final)
    temporary_of(final).rename(final)
    sync_folder(checkpoints.path)
    checkpoints.prune(final, keep, validation)

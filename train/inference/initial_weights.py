"""Weights for a new run to start from: a stage's EMA weights in run folders or in an export.

A tensor is copied if the new network has one of the same name and shape; the others keep their random initialisation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from common.errors import UserError
from train.configuration.stage_config import STAGES, Stage, StageConfig
from train.inference.exporting import CASCADE, read_exported
from train.models import build_model
from train.runs.checkpoint_folder import DamagedCheckpointError, ema_sha256, part_path, read_state, sha256_of
from train.runs.run_folder import InitRecord, RunFolder
from train.runs.sharded_tensors import open_tensors, shapes_in

_OPTION: Final = "--init-from"
_EMA: Final = "ema"
_NAMED: Final = 12
"""Maximum number of tensors named in a message; the run folder lists all."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class InitialWeights:
    """The tensors of a file that a stage's network takes before its first step."""

    stage: Stage
    path: Path
    """A safetensors file of EMA weights, or a folder of their shards."""
    record: InitRecord
    taken: tuple[str, ...]
    """Tensors of the same name and shape in both."""
    message: str
    """One line: how many of the network's parameters are taken, and which are not."""

    def load(self) -> dict[str, Tensor]:
        """Return the tensors taken. Raise UserError if the file cannot be read, or no longer has them."""
        tensors = open_tensors(self.path)
        if missing := [name for name in self.taken if name not in tensors]:
            raise UserError(f"{_OPTION} {self.path}: has changed meanwhile (no {missing[0]}); run the command again")
        return {name: tensors[name] for name in self.taken}


def find_initial_weights(source: Path, config: StageConfig, recorded: InitRecord | None) -> InitialWeights | None:
    """Find a stage's weights in a folder of runs, a stage's run folder or an export; None if it has none.

    From a run they are the EMA weights of the checkpoint that is ``recorded`` if it still exists, else of the last
    intact one. Raise UserError if the source is none of these or is damaged, or if no tensor fits the network.
    """
    is_export = (source / CASCADE).exists()
    found = _in_export(source, config.stage) if is_export else _in_runs(source, config.stage, recorded)
    if found is None:
        return None
    path, step, sha256 = found
    return _compared(config, source, path, step, sha256)


def _in_export(source: Path, stage: Stage) -> tuple[Path, int, str] | None:
    exported = next((one for one in read_exported(source).stages if one.config.stage == stage), None)
    if exported is None:
        return None
    path = source / f"{stage}.safetensors"
    try:
        intact = sha256_of(path) == exported.sha256
    except OSError as error:
        raise UserError(f"{path}: missing or unreadable; export the cascade again") from error
    if not intact:
        raise UserError(f"{path}: damaged: not the file that was exported; copy or export it again")
    return path, exported.step, exported.sha256


def _in_runs(source: Path, stage: Stage, recorded: InitRecord | None) -> tuple[Path, int, str] | None:
    if not source.is_dir():
        raise UserError(f"{_OPTION} {source}: no such folder; give one that trainer fit or trainer export wrote")
    config = (own := RunFolder(source)).read_config()
    if config is None and not any((source / name).is_dir() for name in STAGES):
        raise UserError(
            f"{_OPTION} {source}: neither run folders ({', '.join(STAGES)}) nor a stage's {own.config_path.name} "
            f"nor an export's {CASCADE} in it; give a folder that trainer fit or trainer export wrote"
        )
    if config is not None and config.stage != stage:
        return None
    checkpoints = (RunFolder(source / stage) if config is None else own).checkpoints
    for folder in checkpoints.all() if recorded else ():
        try:
            state = read_state(folder)
        except DamagedCheckpointError:
            continue
        if recorded and recorded.is_of(int(state["step"]), ema_sha256(state)):
            return part_path(folder, _EMA), recorded.step, recorded.sha256
    if (last := checkpoints.last_intact()) is None:
        return None
    folder, state = last
    return part_path(folder, _EMA), int(state["step"]), ema_sha256(state)


def _compared(config: StageConfig, source: Path, path: Path, step: int, sha256: str) -> InitialWeights:
    """Compare the file's tensors with the network's; neither is loaded."""
    with torch.device("meta"):
        network = build_model(config.model)
    wanted: dict[str, Shape] = {name: tuple(tensor.shape) for name, tensor in network.named_parameters()}
    present = shapes_in(path)
    taken = tuple(name for name, shape in wanted.items() if present.get(name) == shape)
    if not taken:
        raise UserError(
            f"{config.stage}: {_OPTION} {source}: none of its {len(present)} tensors has the name and shape of one of "
            f"this network's {len(wanted)}; give another source, or the preset that it was trained with"
        )
    not_taken = {name: shape for name, shape in wanted.items() if name not in taken}
    record = InitRecord(step=step, sha256=sha256, not_taken=tuple(not_taken))
    message = (
        f"{config.stage}: starts from the EMA weights of step {step} in {source}: {_share(taken, wanted)}"
        + (f"; not taken: {_list(_why_not(not_taken, present))}" if not_taken else "")
    )  # fmt: skip
    return InitialWeights(config.stage, path, record, taken, message)


def _share(taken: tuple[str, ...], wanted: Mapping[str, Shape]) -> str:
    count, total = sum(prod(wanted[name]) for name in taken), sum(map(prod, wanted.values()))
    return f"{count:,} of {total:,} parameters, {len(taken)} of {len(wanted)} tensors"


def _why_not(not_taken: Mapping[str, Shape], present: Mapping[str, Shape]) -> Iterator[str]:
    for name, shape in not_taken.items():
        yield f"{name} ({f'{present[name]} there, {shape} here' if name in present else 'not there'})"


def _list(names: Iterator[str]) -> str:
    every = list(names)
    more = len(every) - _NAMED
    return ", ".join(every[:_NAMED]) + (f", and {more} more" if more > 0 else "")

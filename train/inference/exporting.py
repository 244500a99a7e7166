"""A trained cascade as one folder to share: weights, configuration, model card.

    README.md, cascade.json, base.safetensors, sr256.safetensors, sr1024.safetensors

Nothing in it is pickled; load it with ``train.inference.tryon.TryOnCascade``. In place of weights it may hold graphs of
the networks (`train.inference.sharing.graphs`): base.pt2, and so on.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load

from common.atomic import sync_file, sync_folder
from common.errors import UserError, writing
from schemas import Manifest
from train.configuration.stage_config import StageConfig
from train.inference.cascade import TrainedStage, assemble_stage, without_impossible_guidance
from train.inference.detail import copies_detail
from train.inference.model_card import model_card
from train.inference.sharing.graphs import (
    ENDINGS,
    Graph,
    GraphFormat,
    GraphNetwork,
    read_graph,
    write_graphs,
)
from train.runs.checkpoint_folder import sha256_of
from train.runs.tensors import save_tensors

CASCADE = "cascade.json"
CARD = "README.md"
SAMPLES = "samples"


Format = Literal["safetensors", "torch.export"]
"""Weights for this project's networks, or graphs that need none of its classes."""


class ExportedStage(BaseModel):
    """A stage in `cascade.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    config: StageConfig
    step: int
    """Optimizer steps of the checkpoint."""
    sha256: str
    """Of `<stage>.safetensors`, or of the file of another format."""
    copied_sha256: str | None = Field(None, exclude_if=lambda value: value is None)
    """Of the graph of what the network copies, if there is one."""
    difference: float | None = Field(None, exclude_if=lambda value: value is None)
    """Largest difference of the graphs' results from the network's on random inputs, in standard deviations."""
    average: float | None = Field(None, exclude_if=lambda value: value is None)
    """Length of the post-hoc average, if the weights are one (`trainer ema`)."""


class ExportedCascade(BaseModel):
    """`cascade.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    weights: Literal["ema"] = "ema"
    format: Format = Field("safetensors", exclude_if=lambda value: value == "safetensors")
    shards: str | None
    """Fingerprint of the shards, if given."""
    stages: tuple[ExportedStage, ...]


def export_cascade(
    stages: list[TrainedStage],
    out: Path,
    trained_on: Manifest | None,
    kind: Format = "safetensors",
    samples: Mapping[str, bytes] | None = None,
) -> None:
    """Write the stages' EMA weights or graphs, configuration and card to ``out``, atomically.

    ``samples`` are images by file name, written to its folder `samples` and shown by the card.

    Raise UserError if ``out`` exists and is not an empty folder, or cannot be written.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"--out {out}: exists and is not an empty folder; give another, or remove it")
    if any(isinstance(stage.model, GraphNetwork) for stage in stages):
        raise UserError("--runs: an export of graphs has no weights to export again; give the run folders")
    out = out.absolute()
    temporary = out.with_name(f"{out.name}.{os.getpid()}.tmp")
    try:
        with writing(f"--out {out}"):
            temporary.mkdir(parents=True)
            _write(stages, temporary, trained_on, kind, samples or {})
            for path in filter(Path.is_file, temporary.rglob("*")):
                sync_file(path)
            temporary.rename(out)  # replaces an empty folder, never a full one
            sync_folder(out.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def import_cascade(folder: Path, device: torch.device) -> list[TrainedStage]:
    """Load what ``export_cascade`` wrote. Raise UserError if a file is missing or damaged."""
    cascade = read_exported(folder)
    if cascade.format != "safetensors":
        return [_load_graphs(folder, stage, cascade.format, device) for stage in cascade.stages]
    return [_load(folder, stage, device) for stage in cascade.stages]


def read_exported(folder: Path) -> ExportedCascade:
    """Read an export's `cascade.json`. Raise UserError if it is missing or damaged."""
    try:
        return ExportedCascade.model_validate_json((folder / CASCADE).read_bytes())
    except OSError as error:
        raise UserError(f"{folder}: no {CASCADE} in it; give a folder that trainer export wrote") from error
    except ValidationError as error:
        raise UserError(
            f"{folder / CASCADE}: damaged or from an incompatible version; export the cascade again"
        ) from error


def _write(
    stages: list[TrainedStage], folder: Path, trained_on: Manifest | None, kind: Format, samples: Mapping[str, bytes]
) -> None:
    if kind == "safetensors":
        exported = [_weights(stage, folder) for stage in stages]
    else:
        following = [*stages[1:], None]
        exported = [_graphs(one, then, folder, kind) for one, then in zip(stages, following, strict=True)]
    cascade = ExportedCascade(format=kind, shards=trained_on and trained_on.fingerprint, stages=tuple(exported))
    (folder / CASCADE).write_text(cascade.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / CARD).write_text(model_card(stages, trained_on, list(samples)), encoding="utf-8")
    for name, data in samples.items():
        (folder / SAMPLES).mkdir(exist_ok=True)
        (folder / SAMPLES / name).write_bytes(data)
    for path in folder.iterdir():  # weights are written readable by the owner only, but the folder is to be shared
        if path.is_file():
            path.chmod((folder / CASCADE).stat().st_mode)


def _weights(stage: TrainedStage, folder: Path) -> ExportedStage:
    path = folder / f"{stage.config.stage}.safetensors"
    save_tensors({name: value.contiguous().cpu() for name, value in stage.model.state_dict().items()}, path)
    return ExportedStage(config=stage.config, step=stage.step, sha256=sha256_of(path), average=stage.average)


def _graphs(stage: TrainedStage, then: TrainedStage | None, folder: Path, kind: GraphFormat) -> ExportedStage:
    """Write a stage's graph, and that of what it copies if the next stage, ``then``, uses it for detail."""
    fine = then.config.size if then is not None and copies_detail(stage, then) else None
    stem, ending = folder / stage.config.stage, ENDINGS[kind]
    difference = write_graphs(stage.model, stage.config, fine, stem, kind)
    return ExportedStage(
        config=stage.config,
        step=stage.step,
        sha256=sha256_of(stem.with_suffix(ending)),
        copied_sha256=sha256_of(stem.with_name(f"{stem.name}-copied{ending}")) if fine else None,
        difference=difference,
        average=stage.average,
    )


def _load_graphs(folder: Path, stage: ExportedStage, kind: GraphFormat, device: torch.device) -> TrainedStage:
    def graph(name: str, sha256: str) -> Graph:
        path = folder / f"{name}{ENDINGS[kind]}"
        try:
            intact = sha256_of(path) == sha256
        except OSError as error:
            raise UserError(f"{path}: missing; copy or export the cascade again") from error
        if not intact:
            raise UserError(f"{path}: damaged: not the file that was exported; copy or export it again")
        return read_graph(path, device)

    name = stage.config.stage
    copied = graph(f"{name}-copied", stage.copied_sha256) if stage.copied_sha256 else None
    network = GraphNetwork(graph(name, stage.sha256), copied)
    return TrainedStage(without_impossible_guidance(stage.config), network, stage.step, average=stage.average)


def _load(folder: Path, stage: ExportedStage, device: torch.device) -> TrainedStage:
    path = folder / f"{stage.config.stage}.safetensors"
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != stage.sha256:
            raise UserError(f"{path}: damaged: not the file that was exported; copy or export it again")
        return replace(assemble_stage(stage.config, load(data), stage.step, device), average=stage.average)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UserError(f"{path}: missing, or not this network's weights; export the cascade again") from error

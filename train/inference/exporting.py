"""A trained cascade as one folder to share: weights, configuration, model card.

    README.md, cascade.json, base.safetensors, sr256.safetensors, sr1024.safetensors

Nothing in it is pickled; load it with ``train.inference.tryon.TryOnCascade``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load

from common.atomic import sync_folder
from common.errors import UserError, writing
from schemas import Manifest
from train.configuration.stage_config import StageConfig
from train.inference.cascade import TrainedStage, assemble_stage
from train.inference.model_card import model_card
from train.runs.tensors import save_tensors

CASCADE = "cascade.json"
CARD = "README.md"


class ExportedStage(BaseModel):
    """A stage in `cascade.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    config: StageConfig
    step: int
    """Optimizer steps of the checkpoint."""
    sha256: str
    """Of `<stage>.safetensors`."""
    average: float | None = Field(None, exclude_if=lambda value: value is None)
    """Length of the post-hoc average, if the weights are one (`trainer ema`)."""


class ExportedCascade(BaseModel):
    """`cascade.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    weights: Literal["ema"] = "ema"
    shards: str | None
    """Fingerprint of the shards, if given."""
    stages: tuple[ExportedStage, ...]


def export_cascade(stages: list[TrainedStage], out: Path, trained_on: Manifest | None) -> None:
    """Write the stages' EMA weights, configuration and card to ``out``, atomically.

    Raise UserError if ``out`` exists and is not an empty folder, or cannot be written.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"--out {out}: exists and is not an empty folder; give another, or remove it")
    out = out.absolute()
    temporary = out.with_name(f"{out.name}.{os.getpid()}.tmp")
    try:
        with writing(f"--out {out}"):
            temporary.mkdir(parents=True)
            _write(stages, temporary, trained_on)
            for path in temporary.iterdir():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
            temporary.rename(out)  # replaces an empty folder, never a full one
            sync_folder(out.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def import_cascade(folder: Path, device: torch.device) -> list[TrainedStage]:
    """Load what ``export_cascade`` wrote. Raise UserError if a file is missing or damaged."""
    return [_load(folder, stage, device) for stage in read_exported(folder).stages]


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


def _write(stages: list[TrainedStage], folder: Path, trained_on: Manifest | None) -> None:
    exported = []
    for stage in stages:
        path = folder / f"{stage.config.stage}.safetensors"
        save_tensors({name: value.contiguous().cpu() for name, value in stage.model.state_dict().items()}, path)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        exported.append(ExportedStage(config=stage.config, step=stage.step, sha256=digest, average=stage.average))
    cascade = ExportedCascade(shards=trained_on and trained_on.fingerprint, stages=tuple(exported))
    (folder / CASCADE).write_text(cascade.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / CARD).write_text(model_card(stages, trained_on), encoding="utf-8")
    for path in folder.glob("*.safetensors"):  # written readable by the owner only, but the folder is to be shared
        path.chmod((folder / CASCADE).stat().st_mode)


def _load(folder: Path, stage: ExportedStage, device: torch.device) -> TrainedStage:
    path = folder / f"{stage.config.stage}.safetensors"
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != stage.sha256:
            raise UserError(f"{path}: damaged: not the file that was exported; copy or export it again")
        return replace(assemble_stage(stage.config, load(data), stage.step, device), average=stage.average)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UserError(f"{path}: missing, or not this network's weights; export the cascade again") from error

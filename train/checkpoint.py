"""Checkpoints: a folder of safetensors and JSON that appears under its final name whole, or not at all.

    checkpoints/step-00001000/{model,ema,optimizer}.safetensors, state.json

Nothing is pickled. The optimizer's moments are stored by the name of the parameter that they belong to.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from schemas import UserError
from schemas.atomic import sync_folder
from train.state import Training

_FOLDER = "checkpoints"
_STATE = "state.json"
_FILES = ("model", "ema", "optimizer")


def save_checkpoint(run: Path, training: Training, keep: int) -> Path:
    """Write the state; once it is durable, remove all but the last ``keep`` checkpoints. Returns its folder."""
    final = run / _FOLDER / f"step-{training.step:08d}"
    temporary = final.with_name(final.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    tensors = {"model": training.model.state_dict(), "ema": training.ema, "optimizer": _moments(training)}
    checksums = {}
    for name, values in tensors.items():
        path = temporary / f"{name}.safetensors"
        save_file({key: value.detach().contiguous() for key, value in values.items()}, path)
        checksums[path.name] = _sha256(path)
    state = {"step": training.step, "scale": training.scale and training.scale.state(), "sha256": checksums}
    (temporary / _STATE).write_text(json.dumps(state, indent=2) + "\n")
    for path in temporary.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    sync_folder(final.parent)
    for old in checkpoints(run)[:-keep]:
        shutil.rmtree(old)
    return final


def checkpoints(run: Path) -> list[Path]:
    """Return the folders of all whole checkpoints of a run, the oldest first."""
    return sorted(path for path in (run / _FOLDER).glob("step-*") if path.suffix != ".tmp")


def restore(run: Path, training: Training) -> bool:
    """Load the last whole checkpoint into ``training``; return whether there was one."""
    if (last := _last_whole(run)) is None:
        return False
    folder, state = last
    weights = load_file(folder / "model.safetensors")
    training.model.load_state_dict(weights)
    with torch.no_grad():
        for name, master in training.masters.items():
            master.copy_(weights[name])
        for name, value in load_file(folder / "ema.safetensors").items():
            training.ema[name].copy_(value)
    _restore_moments(training, load_file(folder / "optimizer.safetensors"))
    if training.scale is not None:
        training.scale.load(state["scale"])
    training.step = int(state["step"])
    return True


def load_weights(run: Path, which: str) -> tuple[dict[str, Tensor], int]:
    """Return the last checkpoint's weights (``which``: model or ema) and its step. Raise UserError for none."""
    if (last := _last_whole(run)) is None:
        raise UserError(f"{run}: no whole checkpoint in it; run trainer fit first")
    folder, state = last
    return load_file(folder / f"{which}.safetensors"), int(state["step"])


def _last_whole(run: Path) -> tuple[Path, dict[str, Any]] | None:
    """Return the folder and the state of the last checkpoint that is as it was written, None where there is none."""
    for folder in reversed(checkpoints(run)):
        if (state := _verified(folder)) is not None:
            return folder, state
    return None


def _verified(folder: Path) -> dict[str, Any] | None:
    """Return the checkpoint's state, None where a file is missing or not the one that was written."""
    try:
        state: dict[str, Any] = json.loads((folder / _STATE).read_text())
        whole = all(_sha256(folder / name) == digest for name, digest in state["sha256"].items())
    except (OSError, ValueError, KeyError, SafetensorError):
        return None
    return state if whole else None


def _moments(training: Training) -> dict[str, Tensor]:
    state = training.optimizer.state
    return {
        f"{name}/{key}": torch.as_tensor(value)
        for name, parameter in training.stepped.items()
        for key, value in state[parameter].items()
    }


def _restore_moments(training: Training, moments: dict[str, Tensor]) -> None:
    parameters = training.stepped
    for name, value in moments.items():
        parameter, key = name.rsplit("/", 1)
        target = parameters[parameter]
        # As in the optimizer's own load_state_dict: moments live beside their parameter, Adam's step on the CPU. They
        # get the parameter's memory format too: the fused step walks through both as they lie in memory.
        moment = value if key == "step" or value.shape != target.shape else torch.empty_like(target).copy_(value)
        training.optimizer.state[target][key] = moment if key == "step" else moment.to(target.device)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

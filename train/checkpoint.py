"""Checkpoints: a folder of safetensors and JSON that appears under its final name whole, or not at all.

    checkpoints/step-00001000/{model,ema,optimizer}.safetensors, state.json

It is written under another name, ``state.json`` with the checksums of the rest last, made durable, and renamed; only
then are others removed, again by renaming first. So whatever is called ``step-…`` was whole once, and a run that is
killed at any moment has the checkpoint that it had before or the new one. Nothing is pickled. The optimizer's moments
are stored by the name of the parameter that they belong to.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from schemas import UserError
from schemas.atomic import sync_folder
from train.parallel.network import gathered, share
from train.parallel.world import ALONE, World
from train.state import Training

_FOLDER = "checkpoints"
_STATE = "state.json"
_TEMPORARY = ".tmp"


def save_checkpoint(
    run: Path, training: Training, keep: int, validation: Mapping[int, float] | None = None, world: World = ALONE
) -> Path:
    """Write the state; once it is durable, remove others. Returns its folder.

    The last ``keep`` checkpoints stay, and the one with the lowest of the validation losses, given by their step. Of
    several processes the first writes, whole tensors, and the others wait.
    """
    tensors = {
        name: gathered(values, world)
        for name, values in (
            ("model", training.model.state_dict()), ("ema", training.ema), ("optimizer", _moments(training))
        )
    }  # fmt: skip
    return world.told(lambda: _write(run, training, tensors, keep, validation or {}))


def _write(
    run: Path, training: Training, tensors: dict[str, dict[str, Tensor]], keep: int, validation: Mapping[int, float]
) -> Path:
    folder = run / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    sync_folder(run)
    _clear(folder)
    final = folder / f"step-{training.step:08d}"
    temporary = folder / (final.name + _TEMPORARY)
    temporary.mkdir()
    checksums = {}
    for name, values in tensors.items():
        path = temporary / f"{name}.safetensors"
        save_file({key: value.detach().contiguous() for key, value in values.items()}, path)
        checksums[path.name] = _sha256(path)
    state = {
        "step": training.step,
        "scale": training.scale and training.scale.state(),
        "skipped": int(training.skipped),
        "skipped_in_a_row": int(training.skipped_in_a_row),
        "sha256": checksums,
    }
    (temporary / _STATE).write_text(json.dumps(state, indent=2) + "\n")
    for path in temporary.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(temporary)
    if final.exists():  # damaged, or the run would have gone on from it
        shutil.rmtree(final)
    temporary.rename(final)
    sync_folder(folder)
    best = best_checkpoint(run, validation)
    for old in checkpoints(run)[:-keep]:
        if old != best:
            old.rename(folder / (old.name + _TEMPORARY))
    _clear(folder)
    return final


def _clear(folder: Path) -> None:
    """Remove what was begun and never finished, and what is to go."""
    for path in folder.glob(f"*{_TEMPORARY}"):
        shutil.rmtree(path)


def checkpoints(run: Path) -> list[Path]:
    """Return the folders of all whole checkpoints of a run, the oldest first."""
    return sorted(path for path in (run / _FOLDER).glob("step-*") if path.suffix != _TEMPORARY)


def best_checkpoint(run: Path, validation: Mapping[int, float]) -> Path | None:
    """Return the checkpoint with the lowest of the validation losses, given by their step; None where none has one."""
    held = {path: validation.get(int(path.name.removeprefix("step-")), math.nan) for path in checkpoints(run)}
    finite = {path: loss for path, loss in held.items() if math.isfinite(loss)}
    return min(finite, key=lambda path: finite[path], default=None)


def restore(run: Path, training: Training, world: World = ALONE) -> bool:
    """Load the last whole checkpoint into ``training``; return whether there was one.

    Of several processes the first says which it is, and each reads it. Raise UserError where one cannot.
    """
    if (last := world.told(lambda: _last_whole(run))) is None:
        return False
    world.agree(lambda: _load(*last, training))
    return True


def _load(folder: Path, state: dict[str, Any], training: Training) -> None:
    if not folder.exists():
        raise UserError(f"{folder}: not there on every machine; give a --runs that all of them share")
    held, weights = training.model.state_dict(), load_file(folder / "model.safetensors")
    training.model.load_state_dict({name: share(value, held.get(name)) for name, value in weights.items()})
    with torch.no_grad():
        for name, master in training.masters.items():
            master.copy_(weights[name])
        for name, value in load_file(folder / "ema.safetensors").items():
            training.ema[name].copy_(share(value, training.ema[name]))
    _restore_moments(training, load_file(folder / "optimizer.safetensors"))
    if training.scale is not None:
        training.scale.load(state["scale"])
    training.step = int(state["step"])
    # An earlier version's checkpoint has no counts.
    training.skipped = state.get("skipped", 0)
    training.skipped_in_a_row = state.get("skipped_in_a_row", 0)


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
        # As in the optimizer's own load_state_dict: moments live beside their parameter, Adam's step on the CPU.
        # Where a weight is channels-last so are its moments: the fused step goes over their memory, blind to strides.
        if value.shape == target.shape:
            value = torch.empty_like(target, requires_grad=False).copy_(share(value, target))
        training.optimizer.state[target][key] = value if key == "step" else value.to(target.device)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

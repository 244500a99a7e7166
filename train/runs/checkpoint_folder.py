"""The folder of a run's checkpoints: which there are, which of them are whole, and which may go.

A checkpoint is a folder ``step-`` and its step in eight digits or more; whatever else lies there is the user's and left
alone. Whether one is whole is checked in two ways: `read_state` reads no more than the headers of its files, which
shows a copy that broke off; `verify` compares their checksums, which takes as long as reading them.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.errors import reason
from common.progress import notice
from train.runs.tensors import is_complete

FOLDER = "checkpoints"
STATE = "state.json"
TEMPORARY = ".tmp"
PARTS = ("model", "ema", "optimizer")
"""Each is a file of its own."""

_NAME = re.compile(r"step-(\d{8}|[1-9]\d{8,})", re.ASCII)
_NAMED = 3
"""Damaged checkpoints that a message names."""


class DamagedError(Exception):
    """A checkpoint is not as it was written; the message says which file."""


def checkpoint_name(step: int) -> str:
    """Return the name of a step's checkpoint."""
    return f"step-{step:08d}"


def step_of(folder: Path) -> int:
    """Return the step of a checkpoint."""
    return int(folder.name.removeprefix("step-"))


def checkpoints(run: Path) -> list[Path]:
    """Return the folders of all checkpoints of a run, whole or not, the oldest first."""
    found = (path for path in (run / FOLDER).glob("step-*") if _NAME.fullmatch(path.name) and path.is_dir())
    return sorted(found, key=step_of)


def read_state(folder: Path) -> dict[str, Any]:
    """Return a checkpoint's state. Raise DamagedError where it is not whole, by the length of its files."""
    try:
        state: Any = json.loads((folder / STATE).read_bytes())
    except OSError as error:
        raise DamagedError(f"{STATE}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{STATE} is cut or damaged") from error
    sums = state.get("sha256") if isinstance(state, dict) else None
    if not isinstance(sums, dict) or state.get("step") != step_of(folder):
        raise DamagedError(f"{STATE} is not this checkpoint's")
    for name in (f"{part}.safetensors" for part in PARTS):
        if name not in sums or not is_complete(folder / name):
            raise DamagedError(f"{name} is missing or cut")
    return dict(state)


def verify(folder: Path) -> dict[str, Any]:
    """Return a checkpoint's state. Raise DamagedError where a file is not the one that was written."""
    state = read_state(folder)
    for part in PARTS:
        name = f"{part}.safetensors"
        try:
            digest = sha256_of(folder / name)
        except OSError as error:
            raise DamagedError(f"{name}: {reason(error)}") from error
        if digest != state["sha256"][name]:
            raise DamagedError(f"{name} is not the file that was written")
    return dict(state)


def last_whole(run: Path) -> tuple[Path, dict[str, Any]] | None:
    """Return the folder and the state of the last whole checkpoint, None where the run has no checkpoint at all.

    Damaged ones that come later are told of. Raise UserError where there are checkpoints and all are damaged.
    """
    damaged: list[str] = []
    for folder in reversed(checkpoints(run)):
        try:
            state = verify(folder)
        except DamagedError as error:
            damaged.append(f"{folder.name}: {error}")
            continue
        if damaged:
            notice("trainer", f"{run}: damaged checkpoint skipped ({_list(damaged)}); {folder.name} is used instead")
        return folder, state
    if damaged:
        raise UserError(
            f"{run / FOLDER}: no checkpoint in it is whole ({_list(damaged)}); put back a whole copy of one, or remove "
            "them to begin at step 0, or give another --runs"
        )
    return None


def best_checkpoint(run: Path, validation: Mapping[int, float]) -> Path | None:
    """Return the whole checkpoint with the lowest of the validation losses, by step; None where none has one."""
    return _best(_whole(run), validation)


def last_good(run: Path) -> Path | None:
    """Return the last whole checkpoint that was not written within a series of steps that were not finite."""
    return _good(_whole(run))


def prune(run: Path, written: Path, keep: int, validation: Mapping[int, float]) -> None:
    """Remove checkpoints that are older than the last ``keep`` whole ones, once ``written`` is durable.

    Whatever stays: that one, the one with the lowest validation loss, and the last good one. Damaged ones do not count,
    nor do those of later steps: the run has fallen back to before them.
    """
    whole = {folder: state for folder, state in _whole(run).items() if step_of(folder) <= step_of(written)}
    last = [*(folder for folder in whole if folder != written), written][-keep:]
    stays = {*last, _best(whole, validation), _good(whole)}
    for old in checkpoints(run):
        if old not in stays and step_of(old) < step_of(last[0]):
            old.rename(old.with_name(old.name + TEMPORARY))
    clear(run)


def clear(run: Path) -> None:
    """Remove what was begun and never finished, and what is to go."""
    for path in (run / FOLDER).glob(f"step-*{TEMPORARY}"):
        if _NAME.fullmatch(path.name.removesuffix(TEMPORARY)):
            shutil.rmtree(path)


def sha256_of(path: Path) -> str:
    """Return a file's checksum."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _whole(run: Path) -> dict[Path, dict[str, Any]]:
    """Return the checkpoints that are whole by the length of their files, and their states."""
    found = {}
    for folder in checkpoints(run):
        try:
            found[folder] = read_state(folder)
        except DamagedError:
            continue
    return found


def _best(whole: Mapping[Path, object], validation: Mapping[int, float]) -> Path | None:
    losses = {folder: validation.get(step_of(folder), math.nan) for folder in whole}
    finite = {folder: loss for folder, loss in losses.items() if math.isfinite(loss)}
    return min(finite, key=lambda folder: finite[folder], default=None)


def _good(whole: Mapping[Path, Mapping[str, Any]]) -> Path | None:
    return next((folder for folder, state in reversed(list(whole.items())) if not state.get("skipped_in_a_row")), None)


def _list(damaged: list[str]) -> str:
    more = len(damaged) - _NAMED
    return "; ".join(damaged[:_NAMED]) + (f"; and {more} more" if more > 0 else "")

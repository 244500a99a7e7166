"""The folder of a run's checkpoints: listing, verifying and pruning them.

A checkpoint is a folder named ``step-`` and the step in at least eight digits; anything else in there is the user's and
is left alone. Each of its parts is a file, or, written under FSDP, a folder of shards; readers of a part get full tensors
of either. There are two checks: `read_state` reads only the headers of the files, which detects an incomplete copy;
`verify` compares checksums, which takes as long as reading the files.

`train.training.checkpoint` writes checkpoints and restores a run from them.
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

from torch import Tensor

from common.errors import UserError, reason
from common.progress import notice
from train.runs.checkpoint_choice import Which
from train.runs.sharded_tensors import open_tensors
from train.runs.tensors import is_complete

STATE = "state.json"
PARTS = ("model", "ema", "optimizer")
"""Each is a file of its own, or a folder of the shards of several processes."""
AVERAGES = "averages"
"""Another one, of a run with power-function averages."""

_TEMPORARY = ".tmp"
_NAME = re.compile(r"step-(\d{8}|[1-9]\d{8,})", re.ASCII)
_SHARD = re.compile(rf"({'|'.join((*PARTS, AVERAGES))})/shard-\d+-of-\d+\.safetensors", re.ASCII)
_NAMED = 3
"""Maximum number of damaged checkpoints named in a message."""


class DamagedCheckpointError(Exception):
    """A checkpoint is incomplete or was changed; the message names the file."""


def step_of(folder: Path) -> int:
    """Return the step of a checkpoint."""
    return int(folder.name.removeprefix("step-"))


def temporary_of(folder: Path) -> Path:
    """Return the name of a checkpoint while it is written or removed."""
    return folder.with_name(folder.name + _TEMPORARY)


def part_path(folder: Path, part: str) -> Path:
    """Return the file of a checkpoint's part, or the folder of its shards."""
    return shards if (shards := folder / part).is_dir() else folder / f"{part}.safetensors"


class CheckpointFolder:
    """A run's checkpoints; the folder need not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self) -> list[Path]:
        """Return the folders of all checkpoints, intact or not, in order of steps."""
        matching = (path for path in self.path.glob("step-*") if _NAME.fullmatch(path.name) and path.is_dir())
        return sorted(matching, key=step_of)

    def path_of(self, step: int) -> Path:
        """Return the folder of a step's checkpoint, which need not exist."""
        return self.path / f"step-{step:08d}"

    def last_intact(self) -> tuple[Path, dict[str, Any]] | None:
        """Return the folder and the state of the last intact checkpoint; None if the run has no checkpoint at all.

        A notice names later ones that are damaged. Raise UserError if there are checkpoints but all are damaged.
        """
        damaged: list[str] = []
        for folder in reversed(self.all()):
            try:
                state = verify(folder)
            except DamagedCheckpointError as error:
                damaged.append(f"{folder.name}: {error}")
                continue
            if damaged:
                notice(
                    "trainer",
                    f"{self.path.parent}: damaged checkpoint skipped ({_list(damaged)}); {folder.name} is used instead",
                )
            return folder, state
        if damaged:
            raise UserError(
                f"{self.path}: every checkpoint is damaged ({_list(damaged)}); restore an intact copy, "
                "remove them to restart from step 0, or use another --runs"
            )
        return None

    def choose(self, which: Which, validation: Mapping[int, float]) -> tuple[Path, dict[str, Any]]:
        """Return the folder and the state of the chosen checkpoint, whose files are verified.

        Raise UserError if there is none, or if it is damaged.
        """
        if which == "last":
            if (last := self.last_intact()) is None:
                raise UserError(f"{self.path.parent}: no intact checkpoint; run trainer fit first")
            return last
        chosen = self.best(validation) if which == "best" else self.path_of(which)
        steps = ", ".join(str(step_of(folder)) for folder in self.all()) or "none"
        if chosen is None:
            raise UserError(
                f"{self.path.parent}: no intact checkpoint has a validation loss; give a step ({steps}), or train with "
                "a validation.every that divides checkpoint.every"
            )
        if not chosen.is_dir():
            raise UserError(f"{self.path.parent}: no checkpoint of step {which}; those that exist: {steps}")
        try:
            return chosen, verify(chosen)
        except DamagedCheckpointError as error:
            raise UserError(f"{chosen}: damaged ({error}); give another checkpoint: {steps}") from error

    def load_weights(
        self, part: str, which: Which = "last", validation: Mapping[int, float] | None = None
    ) -> tuple[dict[str, Tensor], int]:
        """Return the tensors of one of `PARTS` and the checkpoint's step. Raise UserError as ``choose`` does."""
        folder, state = self.choose(which, validation or {})
        return dict(open_tensors(part_path(folder, part))), int(state["step"])

    def best(self, validation: Mapping[int, float]) -> Path | None:
        """Return the intact checkpoint with the lowest validation loss; None if none was validated."""
        return _best(self._intact(), validation)

    def last_good(self) -> Path | None:
        """Return the last intact checkpoint that was not written during consecutive non-finite steps."""
        return _last_good(self._intact())

    def prune(self, written: Path, keep: int, validation: Mapping[int, float]) -> None:
        """Remove checkpoints older than the last ``keep`` intact ones, once ``written`` is durable.

        Always kept: ``written``, the one with the lowest validation loss, and the last good one. Damaged checkpoints do
        not count, nor do those of later steps, before which the run has fallen back.
        """
        intact = {folder: state for folder, state in self._intact().items() if step_of(folder) <= step_of(written)}
        last = [*(folder for folder in intact if folder != written), written][-keep:]
        kept = {*last, _best(intact, validation), _last_good(intact)}
        for old in self.all():
            if old not in kept and step_of(old) < step_of(last[0]):
                old.rename(temporary_of(old))
        self.remove_unfinished()

    def remove_unfinished(self) -> None:
        """Remove checkpoints whose writing or removal was interrupted."""
        for path in self.path.glob(f"step-*{_TEMPORARY}"):
            if _NAME.fullmatch(path.name.removesuffix(_TEMPORARY)):
                shutil.rmtree(path)

    def _intact(self) -> dict[Path, dict[str, Any]]:
        """Return the checkpoints that are intact by the length of their files, with their states."""
        states = {}
        for folder in self.all():
            try:
                states[folder] = read_state(folder)
            except DamagedCheckpointError:
                continue
        return states


def read_state(folder: Path) -> dict[str, Any]:
    """Return a checkpoint's state. Raise DamagedCheckpointError if it is incomplete, by the length of its files."""
    try:
        state: Any = json.loads((folder / STATE).read_bytes())
    except OSError as error:
        raise DamagedCheckpointError(f"{STATE}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DamagedCheckpointError(f"{STATE} is cut or damaged") from error
    sums = state.get("sha256") if isinstance(state, dict) else None
    if not isinstance(sums, dict) or state.get("step") != step_of(folder):
        raise DamagedCheckpointError(f"{STATE} belongs to another checkpoint")
    for name in _files(sums):
        if name not in sums or not is_complete(folder / name):
            raise DamagedCheckpointError(f"{name} is missing or cut")
    return dict(state)


def verify(folder: Path) -> dict[str, Any]:
    """Return a checkpoint's state. Raise DamagedCheckpointError if a file differs from the one written."""
    state = read_state(folder)
    for name in _files(state["sha256"]):
        try:
            digest = sha256_of(folder / name)
        except OSError as error:
            raise DamagedCheckpointError(f"{name}: {reason(error)}") from error
        if digest != state["sha256"][name]:
            raise DamagedCheckpointError(f"{name} differs from the file that was written")
    return dict(state)


def _files(sums: Mapping[str, str]) -> list[str]:
    """Return the files that a checkpoint needs: those of its shards, and for each part without shards its own."""
    shards = sorted(name for name in sums if _SHARD.fullmatch(name))
    sharded = {name.partition("/")[0] for name in shards}
    optional = {AVERAGES} if f"{AVERAGES}.safetensors" not in sums else set()
    return [f"{part}.safetensors" for part in (*PARTS, AVERAGES) if part not in sharded | optional] + shards


def ema_sha256(state: Mapping[str, Any]) -> str:
    """Return the checksum of a checkpoint's EMA weights: of the file, or of the list of its shards' checksums."""
    sums = state["sha256"]
    if (whole := sums.get("ema.safetensors")) is not None:
        return str(whole)
    shards = "".join(f"{sums[name]}  {name}\n" for name in _files(sums) if name.startswith("ema/"))
    return hashlib.sha256(shards.encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """Return a file's checksum."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _best(intact: Mapping[Path, object], validation: Mapping[int, float]) -> Path | None:
    losses = {folder: validation.get(step_of(folder), math.nan) for folder in intact}
    finite = {folder: loss for folder, loss in losses.items() if math.isfinite(loss)}
    return min(finite, key=lambda folder: finite[folder], default=None)


def _last_good(intact: Mapping[Path, Mapping[str, Any]]) -> Path | None:
    return next((folder for folder, state in reversed(list(intact.items())) if not state.get("skipped_in_a_row")), None)


def _list(damaged: list[str]) -> str:
    more = len(damaged) - _NAMED
    return "; ".join(damaged[:_NAMED]) + (f"; and {more} more" if more > 0 else "")

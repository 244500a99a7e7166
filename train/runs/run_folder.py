"""The run folder of a stage: this module alone defines its files.

    RUN/config.json              the configuration; written at the start of a run, checked when it resumes
        data.json                the identity of the shards; written once
        init.json                the identity of the weights of --init-from; written once, only with that option
        metrics.jsonl            one line per step and per validation (`MetricsFile`)
        checkpoints/step-…/      model, EMA weights, optimizer (`CheckpointFolder`)
        averages/step-….…        snapshots of averages for `trainer ema` (`AverageFolder`)
        sheets/step-….png        sampled pairs
        tensorboard/, wandb-id.txt, profile/
        fit.lock                 exists while `trainer fit` runs (`run_lock`)
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from common.atomic import write_atomically
from common.config_section import by_name
from common.errors import UserError, reason, writing
from train.configuration.stage_config import StageConfig
from train.data import ShardFolder
from train.data.blend import BlendedShards
from train.hardware.world import World
from train.runs.average_folder import AverageFolder
from train.runs.checkpoint_choice import Which
from train.runs.checkpoint_folder import CheckpointFolder, step_of
from train.runs.metrics_file import MetricsFile
from train.runs.run_lock import RunLock, hold_run, holder_of

CONFIG: Final = "config.json"
DATA: Final = "data.json"
INIT: Final = "init.json"
METRICS: Final = "metrics.jsonl"
NOT_SHARED: Final = "not visible on every machine; use a --runs that all of them share"
_FOLDERS: Final = ("averages", "checkpoints", "sheets", "tensorboard", "profile", "wandb")
"""Folders of a run that hold no other runs."""


class BlendedSource(BaseModel):
    """One of several sources in `data.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fingerprint: str
    samples: int
    share: str
    """Its share of the samples trained on, as a fraction."""


class DataIdentity(BaseModel):
    """`data.json`: what the order of the samples depends on, besides the seed and the position."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fingerprint: str
    """Fingerprint of the plan."""
    samples: int
    """Number of samples of the split."""
    blend: tuple[BlendedSource, ...] = Field((), exclude_if=lambda value: not value)
    """The sources, if there are several."""


class InitRecord(BaseModel):
    """`init.json`: which weights the run started from, wherever they lie."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: int
    """Optimizer steps of their checkpoint."""
    sha256: str
    """Of the file of EMA weights; an export has the same as the checkpoint that it was made of, unless that is sharded."""
    not_taken: tuple[str, ...]
    """The network's tensors that kept their random initialisation."""

    def __str__(self) -> str:
        return f"step {self.step}, {self.sha256[:12]}"

    def is_of(self, step: int, sha256: str) -> bool:
        """Return whether these are the weights."""
        return (self.step, self.sha256) == (step, sha256)


@dataclass(frozen=True)
class RunFolder:
    """A stage's run folder, which need not exist."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @classmethod
    def find(cls, folder: Path, depth: int) -> Iterator[Self]:
        """Yield the run folders in a folder, itself included, and up to ``depth`` levels below, in order of their names."""
        for name, below, files in os.walk(folder):
            here = Path(name)
            if METRICS in files or CONFIG in files:
                yield cls(here)
            at_depth = len(here.relative_to(folder).parts) >= depth
            below[:] = [] if at_depth else sorted(one for one in below if one not in _FOLDERS)

    @property
    def config_path(self) -> Path:
        """The configuration."""
        return self.path / CONFIG

    @property
    def tensorboard(self) -> Path:
        """The folder of TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def wandb_id(self) -> Path:
        """The file with the id under which Weights & Biases continues the run."""
        return self.path / "wandb-id.txt"

    @property
    def profiles(self) -> Path:
        """The folder of the traces of `trainer fit --profile`."""
        return self.path / "profile"

    @property
    def metrics(self) -> MetricsFile:
        """The numbers of each step and validation."""
        return MetricsFile(self.path / METRICS)

    @property
    def checkpoints(self) -> CheckpointFolder:
        """The checkpoints."""
        return CheckpointFolder(self.path / "checkpoints")

    @property
    def averages(self) -> AverageFolder:
        """The snapshots of power-function averages."""
        return AverageFolder(self.path / "averages")

    def load_weights(self, part: str, which: Which = "last") -> tuple[dict[str, Tensor], int]:
        """Return the tensors of a part of a checkpoint, and its step. Raise UserError as `CheckpointFolder.choose`."""
        validation = {point.step: point.loss for point in self.metrics.read().validations} if which == "best" else {}
        return self.checkpoints.load_weights(part, which, validation)

    def sheet_path(self, step: int) -> Path:
        """Return the file of a step's sheet."""
        return self.path / "sheets" / f"step-{step:08d}.png"

    def sheets(self) -> dict[int, Path]:
        """Return the sheets by step, in order."""
        paths = {path.stem.removeprefix("step-"): path for path in (self.path / "sheets").glob("step-*.png")}
        return {int(step): paths[step] for step in sorted(paths) if step.isdecimal()}

    def hold(self, world: World, stop: Callable[[], bool]) -> AbstractContextManager[RunLock | None]:
        """Hold the lock in the block, as `hold_run` does."""
        return hold_run(self.path, world, stop)

    def claim(self, config: StageConfig, shards: ShardFolder, init: InitRecord | None = None) -> None:
        """Claim the run for a configuration, shards and initial weights. Raise UserError if it was started with others."""
        self.check_init(init)
        self.claim_config(config)
        self.claim_data(shards)
        if init is not None:
            path = self.path / INIT
            with writing(path):
                write_atomically(path, (init.model_dump_json(indent=2) + "\n").encode())

    def check(self, config: StageConfig, shards: ShardFolder) -> None:
        """Raise UserError if the run cannot be resumed with a configuration and shards, as `claim` does; write nothing."""
        self._check_config(config)
        self._check_data(shards)
        if (holder := holder_of(self.path)) is not None:
            raise UserError(f"{self}: another trainer fit is using this folder ({holder}); wait until it finishes")

    def check_visible(self) -> None:
        """Raise UserError if this process does not see the run that rank 0 has claimed."""
        if not self.config_path.exists():
            raise UserError(f"{self}: {NOT_SHARED}")

    def claim_config(self, config: StageConfig) -> None:
        """Write the configuration, or check it against the one that the run was started with, and replace that.

        Settings that do not affect what the steps compute may differ, and so may those of memory, so that a run can
        resume on another GPU; they change rounding at most. Raise UserError with the differences.
        """
        self._check_config(config)
        with writing(f"--runs {self}"):
            self.path.mkdir(parents=True, exist_ok=True)
            write_atomically(self.config_path, (config.model_dump_json(indent=2) + "\n").encode())

    def _check_config(self, config: StageConfig) -> None:
        if (started_with := self.read_config("use another --runs")) is None:
            return
        free = {"steps"} if self._may_change_steps(started_with, config) else set()
        before, now = by_name(_decisive(started_with, free)), by_name(_decisive(config, free))
        differences = "; ".join(
            f"{key} was {before.get(key, 'the default')}, is {now.get(key, 'the default')}"
            for key in before | now
            if before.get(key) != now.get(key)
        )
        if differences:
            raise UserError(
                f"{self}: was started with different settings ({differences}); use another --runs, or the same settings"
            )

    def read_config(self, advice: str = "train the stage again") -> StageConfig | None:
        """Return the configuration, with the default for each setting that an earlier version did not have.

        None if there is none. Raise UserError, with ``advice``, if it is unreadable or from an incompatible version.
        """
        try:
            return StageConfig.model_validate_json(self.config_path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UserError(f"{self.config_path}: cannot be read ({reason(error)}); {advice}") from error
        except ValidationError as error:
            raise UserError(f"{self.config_path}: damaged or from an incompatible version; {advice}") from error

    def _may_change_steps(self, before: StageConfig, now: StageConfig) -> bool:
        """Return whether no step so far depended on the number of steps, nor would have with the new one."""
        if now.optim.decay != "wsd":
            return now.optim.decay == "constant"
        done = max(map(step_of, self.checkpoints.all()), default=0)
        return done <= min(now.optim.stable_until(config.steps) for config in (before, now))

    def claim_data(self, shards: ShardFolder) -> None:
        """Write the identity of the shards, or check it against the one that the run was started with.

        Raise UserError if they differ: the samples would come in another order, so positions would not match.
        """
        if not self._check_data(shards):
            path = self.path / DATA
            with writing(path):
                write_atomically(path, (_identity(shards).model_dump_json(indent=2) + "\n").encode())

    def _check_data(self, shards: ShardFolder) -> bool:
        """Return whether the run has the identity of its shards. Raise UserError if it is another."""
        path = self.path / DATA
        mine = _identity(shards)
        try:
            started_with = DataIdentity.model_validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return False
        except ValidationError as error:
            raise UserError(f"{path}: damaged or from an incompatible version; use another --runs") from error
        if started_with != mine:
            raise UserError(
                f"{self}: was started with different shards ({started_with.samples} samples, plan "
                f"{started_with.fingerprint[:12]}) than {shards.folder} ({mine.samples}, {mine.fingerprint[:12]}); "
                "use another --runs, or the same shards"
            )
        return True

    def read_init(self) -> InitRecord | None:
        """Return which weights the run started from; None if from random ones. Raise UserError if it is unreadable."""
        path = self.path / INIT
        try:
            return InitRecord.model_validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({reason(error)}); use another --runs") from error
        except ValidationError as error:
            raise UserError(f"{path}: damaged or from an incompatible version; use another --runs") from error

    def check_init(self, init: InitRecord | None) -> None:
        """Check the initial weights, None if not given, against those that the run was started with.

        A run with a checkpoint needs them no more. Raise UserError if they are others, if the run has trained without
        any, or if it needs them and they are not given.
        """
        started_with, has_checkpoint = self.read_init(), bool(self.checkpoints.all())
        if started_with is None:
            if init is not None and has_checkpoint:
                raise UserError(
                    f"{self}: was started without --init-from; use another --runs, or resume without --init-from"
                )
        elif init is None:
            if not has_checkpoint:
                raise UserError(
                    f"{self}: was started with --init-from ({started_with}) and has no checkpoint yet; give the same "
                    "--init-from again, or use another --runs"
                )
        elif not started_with.is_of(init.step, init.sha256):
            raise UserError(
                f"{self}: was started with a different --init-from ({started_with}) than this ({init}); "
                "use another --runs"
                + (", or resume without --init-from" if has_checkpoint else ", or the same --init-from")
            )

    def documents(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return config.json and data.json of any version unvalidated; empty if unreadable."""
        return _document(self.config_path), _document(self.path / DATA)


def _decisive(config: StageConfig, free: set[str]) -> dict[str, Any]:
    """Return the settings that affect what the steps compute, except those that are ``free``."""
    free = {"checkpoint", "sampling", "memory", "validation", "log", "compile"} | free
    values = config.model_dump(mode="json", exclude=free)
    for name in ("threads", "cache", "cache_bytes", "cache_memory"):
        del values["data"][name]
    del values["optim"]["max_skipped"]
    for name in ("every", "keep"):
        values.get("averages", {}).pop(name, None)
    return values


def _identity(shards: ShardFolder) -> DataIdentity:
    return DataIdentity(
        fingerprint=shards.fingerprint,
        samples=len(shards),
        blend=tuple(
            BlendedSource(fingerprint=part.fingerprint, samples=len(part), share=str(share))
            for part, share in zip(shards.parts, shards.shares, strict=True)
        ) if isinstance(shards, BlendedShards) else (),
    )


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}

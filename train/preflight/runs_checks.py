"""Checks of the folder of the runs: whether they can start or resume in it, its space, and how fast it is written."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from common.errors import UserError, advice, reason
from train.configuration.stage_config import STAGES, StageConfig
from train.data import ShardFolder
from train.inference.cascade import previous_run
from train.preflight.checkpoint_sizes import checkpoint_bytes, space_for
from train.preflight.findings import Finding, fail, from_error, gib, ok, warn
from train.runs.run_folder import RunFolder

_PROBE = 64 << 20
"""Bytes written to measure the speed: more than the cache of a network file system's client takes at once."""
_CHECKSUM = 1.5e9
"""Bytes a second of SHA-256 on one core, which a checkpoint waits for as well."""


def run_findings(runs: Path, configs: Sequence[StageConfig], shards: ShardFolder | None) -> Iterator[Finding]:
    """Yield whether each stage can start or resume in its run folder, and whether the stage before it is there."""
    trained = {config.stage for config in configs}
    for config in configs:
        run = RunFolder(runs / config.stage)
        try:
            if shards is not None:
                run.check(config, shards)
            if STAGES[STAGES.index(config.stage) - 1] not in trained:  # else it is trained by then
                previous_run(runs, config)
            begun = run.checkpoints.all()
            says = f"{run}: " + (f"resumes after {begun[-1].name}" if begun else "starts from the first step")
            yield ok("run", says)
        except UserError as error:
            yield from_error("run", error)


def disk_findings(runs: Path, configs: Sequence[StageConfig]) -> Iterator[Finding]:
    """Yield whether the disk can be written to and has room for all checkpoints."""
    where = _existing(runs)
    needed = _more_space(runs, configs)
    sizes = ", ".join(f"{config.stage} {gib(checkpoint_bytes(config))}" for config in configs)
    free = shutil.disk_usage(where).free
    says = f"{where}: {gib(free)} free, checkpoints take up to {gib(needed)} more ({sizes} each)"
    if not os.access(where, os.W_OK):
        yield fail("disk", f"{where} cannot be written to", "give another --runs, or change its owner")
    elif free < needed:
        keep = [config.checkpoint.model_copy(update={"keep": 1}) for config in configs]
        fewer = [config.model_copy(update={"checkpoint": one}) for config, one in zip(configs, keep, strict=True)]
        hint = ", or --set checkpoint.keep=1" if _more_space(runs, fewer) <= free else ""
        yield fail("disk", says, f"free some, or give another --runs{hint}")
    else:
        yield ok("disk", says)


def write_finding(runs: Path, config: StageConfig, step_seconds: float | None) -> Finding:
    """Write a part of a checkpoint, and return how much of the training time checkpoints take."""
    size = checkpoint_bytes(config)
    try:
        speed = write_speed(_existing(runs), min(size, _PROBE))
    except OSError as error:
        return fail("write", f"{runs}: {reason(error)}", advice(error))
    seconds = size / speed + size / _CHECKSUM
    says = f"{speed / 1e6:.0f} MB/s with fsync: {seconds:.1f} s for a checkpoint of {config.stage}"
    if step_seconds is None:
        return ok("write", says)
    share = seconds / (seconds + config.checkpoint.every * step_seconds)
    says += f" every {config.checkpoint.every} steps, {share:.1%} of the time"
    if share > 0.1:
        return warn("write", says, f"--set checkpoint.every={_rounded(9 * seconds / step_seconds)}, or a faster disk")
    return ok("write", says)


def write_speed(folder: Path, size: int) -> float:
    """Write ``size`` bytes to a file in the folder, make them durable, remove it; return bytes a second."""
    path = folder / f"trainer-doctor.{secrets.token_hex(4)}.tmp"
    block = os.urandom(min(size, 1 << 20))  # not zeros, which some file systems do not store
    started = time.monotonic()
    try:
        with path.open("wb") as file:
            for start in range(0, size, len(block)):
                file.write(block[: size - start])
            file.flush()
            os.fsync(file.fileno())
    finally:
        path.unlink(missing_ok=True)
    return size / max(time.monotonic() - started, 1e-6)


def _more_space(runs: Path, configs: Sequence[StageConfig]) -> int:
    """Return the bytes that checkpoints take beyond those that are there."""
    return sum(max(0, space_for(config) - _taken(runs / config.stage)) for config in configs)


def _existing(path: Path) -> Path:
    path = path.absolute()
    return next(one for one in (path, *path.parents) if one.is_dir())


def _taken(run: Path) -> int:
    return sum(path.stat().st_size for path in (run / "checkpoints").rglob("*") if path.is_file())


def _rounded(steps: float) -> int:
    return max(1, int(-(-steps // 100) * 100))

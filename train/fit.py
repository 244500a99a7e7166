"""Training one stage: read `fit_stage` from top to bottom."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError

from schemas import UserError, write_atomically
from train.checkpoint import restore, save_checkpoint
from train.config import StageConfig
from train.data import BatchLoader, ShardFolder, claim_data
from train.diffusion.schedule import make_schedule
from train.step import Stepper, begin, train_step

CONFIG = "config.json"
METRICS = "metrics.jsonl"


@dataclass(frozen=True)
class Status:
    """What is known after a step."""

    stage: str
    step: int
    steps: int
    loss: float
    images_per_second: float
    seconds: float
    skipped: int
    """Steps so far that fp16's range was too small for, and that changed nothing."""
    replaced: int = 0
    """Samples of the step's batch in whose place another one came, since they are damaged."""


Report = Callable[[Status], None]


def fit_stage(config: StageConfig, shards: ShardFolder, run: Path, report: Report, stop: Callable[[], bool]) -> bool:
    """Train the stage in its run folder, from its last checkpoint if there is one, until ``config.steps``.

    ``stop`` is asked after every step; when it says so, a checkpoint is written and the function returns False.
    Everything random is keyed by the seed and by the number of the sample, so a run that was interrupted goes on
    bit for bit as if it never was (on one kind of machine with one number of threads).
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    claim_run(run, config)
    claim_data(run, shards)

    training = begin(config, device)
    restore(run, training)
    truncate_metrics(run / METRICS, training.step)

    stepper = Stepper(config, make_schedule(config.diffusion.schedule), device)
    batches = BatchLoader(shards, config).batches(training.step * config.data.batch)
    started, first, saved = time.monotonic(), training.step, training.step
    while training.step < config.steps:
        batch = next(batches)
        loss = train_step(training, batch, stepper)

        seconds = time.monotonic() - started
        speed = (training.step - first) * config.data.batch / seconds
        skipped = training.scale.skipped if training.scale else 0
        status = Status(config.stage, training.step, config.steps, loss.item(), speed, seconds, skipped, batch.replaced)
        append_metrics(run / METRICS, status)
        report(status)
        if training.step % config.checkpoint.every == 0:
            save_checkpoint(run, training, config.checkpoint.keep)
            saved = training.step
        if stop():
            break
    batches.close()
    if saved != training.step:
        save_checkpoint(run, training, config.checkpoint.keep)
    return training.step >= config.steps


def claim_run(run: Path, config: StageConfig) -> None:
    """Write the configuration into the run folder, or check that it is the one that the run was begun with.

    Only what does not touch the steps made so far may differ, and where the memory is: a run may go on on another card,
    since that changes the rounding at most. Raise UserError with the differences.
    """
    path = run / CONFIG
    free = {"checkpoint", "sampling", "memory", *(("steps",) if config.optim.decay == "constant" else ())}
    if path.exists():
        try:  # read as a configuration: what an earlier version did not know gets its default
            held = StageConfig.model_validate_json(path.read_bytes()).model_dump(mode="json")
        except ValidationError as error:
            raise UserError(f"{path}: not a configuration of this version; give another --runs") from error
        mine = config.model_dump(mode="json")
        for settings in (held, mine):
            for name in ("threads", "cache", "cache_bytes"):
                settings["data"].pop(name)
        differing = [key for key in mine if key not in free and held.get(key) != mine[key]]
        if differing:
            told = "; ".join(f"{key} was {held.get(key)}, is {mine[key]}" for key in differing)
            raise UserError(f"{run}: was begun with other settings ({told}); give another --runs, or the same settings")
    try:
        run.mkdir(parents=True, exist_ok=True)
        write_atomically(path, (config.model_dump_json(indent=2) + "\n").encode())
    except OSError as error:
        raise UserError(f"--runs {run}: {error.strerror}; give a folder that can be written to") from error


def append_metrics(path: Path, status: Status) -> None:
    """Append one line to metrics.jsonl."""
    line = {
        "step": status.step,
        "loss": status.loss,
        "images_per_second": round(status.images_per_second, 2),
        "skipped": status.skipped,
        "replaced": status.replaced,
    }
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def truncate_metrics(path: Path, step: int) -> None:
    """Drop the lines of steps after ``step``: they will be made again."""
    if path.exists():
        lines = [line for line in path.read_text().splitlines() if _step_of(line) <= step]
        write_atomically(path, "".join(f"{line}\n" for line in lines).encode())


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except ValueError:  # the last line of a run that was killed
        return float("inf")

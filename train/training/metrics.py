"""What is known after a step, and metrics.jsonl, where it is written."""

from __future__ import annotations

import json
import math
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from common.atomic import write_atomically
from common.errors import writing
from common.progress import notice
from train.configuration.stage_config import LogConfig, StageConfig
from train.data import Batch
from train.hardware.world import World
from train.training.arithmetic import flops_per_image
from train.training.outcomes import Outcome
from train.training.sinks import open_sinks

METRICS = "metrics.jsonl"
_DIGITS = {"images_per_second": 2, "data_wait": 4, "tflops": 4, "mfu": 4}


@dataclass(frozen=True)
class Status:
    """What is known after a step."""

    stage: str
    step: int
    steps: int
    loss: float
    images_per_second: float
    seconds: float
    """Since the run was started, this time."""
    seconds_left: float
    data_wait: float
    """Share of these seconds, in [0, 1], in which the step waited for its batch."""
    memory_bytes: int
    """Most that the run has held at a time: on the GPU, or of the process where there is none."""
    skipped: int
    """Steps so far whose loss or gradients were not finite, and that changed nothing."""
    replaced: int
    """Samples of the step's batch in whose place another one came, since they are damaged."""
    grad_norm: float
    """Before clipping; NaN where each gradient is freed at once."""
    lr: float
    """The step's learning rate."""
    loss_scale: float | None
    """fp16's; None in other precisions."""
    tflops: float
    """10¹² floating-point operations a second of the forward and backward passes, recomputation not counted."""
    mfu: float | None
    """Model FLOPs utilisation: their share of the cards' peak in [0, 1]; None where that is not known."""


@dataclass
class Meter:
    """Measures a run from its first step on."""

    config: StageConfig
    first: int
    device: torch.device
    peak_tflops: float | None = None
    """What all cards of the run can do together in its precision."""
    started: float = field(default_factory=time.monotonic)
    waited: float = 0.0

    def __post_init__(self) -> None:
        self._flops = flops_per_image(self.config)
        if self.device.type == "cuda":  # each stage's own
            torch.cuda.reset_peak_memory_stats(self.device)

    def waiting(self, batches: Iterator[Batch]) -> Batch:
        """Return the next batch."""
        before = time.monotonic()
        batch = next(batches)
        self.waited += time.monotonic() - before
        return batch

    def status(self, found: Outcome) -> Status:
        """Return what is known after a step."""
        seconds = time.monotonic() - self.started
        made = found.step - self.first
        speed = made * self.config.data.batch / seconds
        tflops = speed * self._flops / 1e12
        return Status(
            stage=self.config.stage,
            step=found.step,
            steps=self.config.steps,
            loss=found.loss,
            images_per_second=speed,
            seconds=seconds,
            seconds_left=seconds / made * (self.config.steps - found.step),
            data_wait=self.waited / seconds,
            memory_bytes=peak_memory(self.device),
            skipped=found.skipped,
            replaced=found.replaced,
            grad_norm=found.grad_norm,
            lr=found.lr,
            loss_scale=found.loss_scale,
            tflops=tflops,
            mfu=tflops / self.peak_tflops if self.peak_tflops else None,
        )


def peak_memory(device: torch.device) -> int:
    """Return the most bytes that tensors on the GPU, or without one the process, have held at a time."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class Metrics:
    """The numbers of a run: one line of metrics.jsonl a step, and one a validation."""

    def __init__(self, run: Path, log: LogConfig, step: int) -> None:
        """Open the run's metrics; drop the lines of steps after ``step``, which will be made again."""
        self._path = run / METRICS
        with writing(self._path):
            self._sinks = open_sinks(run, log, step)
            held = _lines_until(self._path, step)
            write_atomically(self._path, b"".join(line.text + b"\n" for line in held))
        self.validation: dict[int, float] = {
            line.step: line.validation for line in held if line.validation is not None
        }  # fmt: skip
        """The validation losses by their step."""

    def step(self, status: Status) -> None:
        """Take note of a step."""
        values = asdict(status)
        for name in ("stage", "step", "steps", "seconds", "seconds_left"):
            del values[name]
        for name, digits in _DIGITS.items():
            values[name] = values[name] and round(values[name], digits)
        # JSON has no word for what is not finite.
        self._append({"step": status.step} | {name: _finite(value) for name, value in values.items()})
        for sink in self._sinks:
            sink(status.step, {name: value for name, value in values.items() if value is not None})

    def validated(self, step: int, loss: float, by_time: list[float | None]) -> None:
        """Take note of a validation: the mean loss, and that of each range of t, None where it had no sample."""
        self.validation[step] = loss
        self._append({"step": step, "validation": loss, "validation_by_t": by_time})
        named = {f"validation/t{i}": value for i, value in enumerate(by_time) if value is not None}
        for sink in self._sinks:
            sink(step, {"validation": loss, **named})

    def _append(self, line: dict[str, Any]) -> None:
        with writing(self._path), self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")


class Unwritten(Metrics):
    """The numbers of a run on a process that does not write them."""

    def __init__(self) -> None:
        self._sinks = []
        self.validation = {}

    def _append(self, line: dict[str, Any]) -> None:
        """Leave it to the process that writes."""


def open_metrics(run: Path, log: LogConfig, step: int, world: World) -> Metrics:
    """Open the run's metrics as Metrics does, on the first process; the others get some that are not written."""
    return world.first(lambda: Metrics(run, log, step)) or Unwritten()


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of metrics.jsonl as it was written, and what of it is read again."""

    text: bytes
    step: int
    validation: float | None
    """The validation loss, None where the line is a step's."""


def _lines_until(path: Path, step: int) -> list[_Line]:
    """Return the lines up to a step, in order; of two about the same the later one.

    Those that cannot be read are told of and left out, but for a last one that a killed run has not finished.
    """
    texts = path.read_bytes().split(b"\n") if path.exists() else []
    lines = [_parsed(text) for text in texts]
    damaged = sum(line is None and text.strip() != b"" for line, text in zip(lines[:-1], texts[:-1], strict=True))
    if damaged:
        notice("trainer", f"{path}: {damaged} damaged line{'s' if damaged > 1 else ''} left out")
    held = {(line.step, line.validation is not None): line for line in lines if line and line.step <= step}
    return [held[key] for key in sorted(held)]


def _parsed(text: bytes) -> _Line | None:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    step = values.get("step") if isinstance(values, dict) else None
    if type(step) is not int:
        return None
    if "validation" not in values:
        return _Line(text, step, None)
    loss = values["validation"]
    return _Line(text, step, float(loss)) if type(loss) in (int, float) else None

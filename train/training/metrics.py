"""The status after a step, and recording it: in metrics.jsonl, TensorBoard and Weights & Biases."""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from common.errors import writing
from train.configuration.stage_config import LogConfig, StageConfig
from train.data import Batch
from train.data.shards import Pixels
from train.hardware.world import World
from train.runs.run_folder import RunFolder
from train.training.flops import flops_per_image
from train.training.outcomes import Outcome
from train.training.sinks import open_sinks

_DIGITS = {"images_per_second": 2, "data_wait": 4, "tflops": 4, "mfu": 4}


@dataclass(frozen=True)
class Status:
    """The state of a run after a step."""

    stage: str
    step: int
    steps: int
    loss: float
    images_per_second: float
    seconds: float
    """Since the run was last started."""
    seconds_left: float
    data_wait: float
    """Share of these seconds, in [0, 1], spent waiting for batches."""
    memory_bytes: int
    """Peak memory: of the GPU, or of the process if there is none."""
    skipped: int
    """Steps so far that were skipped because the loss or gradients were not finite."""
    replaced: int
    """Damaged samples of the step's batch that were replaced by others."""
    grad_norm: float
    """Before clipping; NaN if each gradient is freed at once."""
    lr: float
    """The step's learning rate."""
    loss_scale: float | None
    """fp16's; None in other precisions."""
    tflops: float
    """10¹² floating-point operations per second of the forward and backward passes, recomputation not counted."""
    mfu: float | None
    """Model FLOPs utilisation: the share of the GPUs' peak in [0, 1]; None if the peak is unknown."""


@dataclass
class Meter:
    """Measures a run from its first step on."""

    config: StageConfig
    first: int
    device: torch.device
    peak_tflops: float | None = None
    """The sum over all GPUs of the run, in its precision."""
    started: float = field(default_factory=time.monotonic)
    waited: float = 0.0

    def __post_init__(self) -> None:
        self._flops = flops_per_image(self.config)
        if self.device.type == "cuda":  # so that each stage reports its own peak
            torch.cuda.reset_peak_memory_stats(self.device)

    def next_batch(self, batches: Iterator[Batch]) -> Batch:
        """Return the next batch."""
        before = time.monotonic()
        batch = next(batches)
        self.waited += time.monotonic() - before
        return batch

    def status(self, outcome: Outcome) -> Status:
        """Return the status after a step."""
        seconds = time.monotonic() - self.started
        made = outcome.step - self.first
        speed = made * self.config.data.batch / seconds
        tflops = speed * self._flops / 1e12
        return Status(
            stage=self.config.stage,
            step=outcome.step,
            steps=self.config.steps,
            loss=outcome.loss,
            images_per_second=speed,
            seconds=seconds,
            seconds_left=seconds / made * (self.config.steps - outcome.step),
            data_wait=self.waited / seconds,
            memory_bytes=peak_memory(self.device),
            skipped=outcome.skipped,
            replaced=outcome.replaced,
            grad_norm=outcome.grad_norm,
            lr=outcome.lr,
            loss_scale=outcome.loss_scale,
            tflops=tflops,
            mfu=tflops / self.peak_tflops if self.peak_tflops else None,
        )


def peak_memory(device: torch.device) -> int:
    """Return the peak bytes of tensors on the GPU, or the peak resident size of the process if there is none."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class Metrics:
    """Records the metrics of a run: one line of metrics.jsonl per step, and one per validation."""

    def __init__(self, run: RunFolder, log: LogConfig, step: int) -> None:
        """Open the run's metrics; drop the lines of steps after ``step``, which will be repeated."""
        self._file = run.metrics
        with writing(self._file.path):
            self._sinks = open_sinks(run, log, step)
        self.validation = self._file.truncate(step)
        """Validation losses by step."""

    def record_step(self, status: Status) -> None:
        """Record a step."""
        values = asdict(status)
        for name in ("stage", "step", "steps", "seconds", "seconds_left"):
            del values[name]
        for name, digits in _DIGITS.items():
            values[name] = values[name] and round(values[name], digits)
        # JSON has no NaN or infinity.
        self._append({"step": status.step} | {name: _finite(value) for name, value in values.items()})
        for sink in self._sinks:
            sink(status.step, {name: value for name, value in values.items() if value is not None})

    def record_validation(self, step: int, loss: float, by_time: list[float | None]) -> None:
        """Record a validation: the mean loss, and the mean of each range of t, None if it had no sample."""
        self.validation[step] = loss
        self._append({"step": step, "validation": loss, "validation_by_t": by_time})
        named = {f"validation/t{i}": value for i, value in enumerate(by_time) if value is not None}
        for sink in self._sinks:
            sink(step, {"validation": loss, **named})

    def record_sheet(self, step: int, pixels: Pixels) -> None:
        """Record a sheet (H, W, 3) in the sinks; its file is written elsewhere."""
        for sink in self._sinks:
            sink.image(step, "sheet", pixels)

    def _append(self, line: dict[str, Any]) -> None:
        self._file.append(line)


class NullMetrics(Metrics):
    """Metrics on a process that does not write them."""

    def __init__(self) -> None:
        self._sinks = []
        self.validation = {}

    def _append(self, line: dict[str, Any]) -> None:
        """Do nothing: rank 0 writes."""


def open_metrics(run: RunFolder, log: LogConfig, step: int, world: World) -> Metrics:
    """Open the run's metrics on rank 0; other ranks get `NullMetrics`."""
    return world.run_on_main(lambda: Metrics(run, log, step)) or NullMetrics()


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None

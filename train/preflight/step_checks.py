"""Ten steps of a stage, discarded: memory, finite losses, time, and how long the step waits for data."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from common.errors import UserError
from common.text import counted
from train.configuration.stage_config import StageConfig
from train.data import Batch, BatchLoader, ShardFolder
from train.data.batch import prefetch_to_device
from train.diffusion.schedule import make_schedule
from train.memory.live import LiveMemory
from train.memory.rehearse import duration
from train.memory.trace import bytes_of, optimizer_bytes
from train.models import count_parameters
from train.preflight.findings import Finding, fail, from_error, gib, ok, warn
from train.training.flops import flops_per_image
from train.training.state import Training
from train.training.step import Stepper, init_training, micro_batches, train_step
from train.training.step_memory import out_of_memory

STEPS = 10
_WAIT = 0.05
"""Share of a step's time spent waiting for data from which on a line says so."""
_LONG = 60 * 24 * 3600
"""Seconds of training from which on a line says so."""
_RESIDENT = 20
"""Bytes a weight of a CPU run between two steps, at least: weights, gradients, two moments, EMA."""
_ROOM = 0.9
"""Share of the available memory that a run may take."""


@dataclass(frozen=True)
class SteppedStage:
    """What the steps of a stage showed."""

    findings: tuple[Finding, ...]
    step_seconds: float | None = None
    """Time of a whole step; None if none was made."""


def step_findings(
    config: StageConfig, shards: ShardFolder, device: torch.device, memory: int | None, seconds: float,
    progress: Callable[[int, int], None],
) -> SteppedStage:  # fmt: skip
    """Make up to ten steps in about ``seconds``; ``memory`` is what this process can still allocate.

    Where a whole batch takes too long, steps of fewer samples are made, and the time of a step extrapolated.
    """
    resident = _RESIDENT * count_parameters(config.model)
    if device.type != "cuda" and memory is not None and resident > _ROOM * memory:
        says = f"{config.stage} takes at least {gib(resident)} of memory, {gib(memory)} are available"
        return SteppedStage((fail("memory", says, "a smaller --preset, or a machine with more memory or a GPU"),))
    if device.type != "cuda" and (each := flops_per_image(config) / processor_flops()) > seconds:
        whole = duration(each * config.data.batch * config.steps)
        says = f"{config.stage}: no step tried, as a sample takes about {each:.0f} s here, the run {whole}"
        return SteppedStage((warn("steps", says, "a smaller --preset, or a machine with a GPU"),))
    loader = BatchLoader(shards, config, on_card=device.type == "cuda", pin=device.type == "cuda")
    batches = prefetch_to_device(loader.batches(0), device)
    try:
        return _stepped(config, batches, device, memory, seconds, progress)
    except torch.OutOfMemoryError:
        return SteppedStage((from_error("memory", UserError(out_of_memory(config))),))
    except UserError as error:
        return SteppedStage((from_error("steps", UserError(f"{config.stage}: {error}")),))
    finally:
        batches.close()


def _stepped(
    config: StageConfig, batches: Iterator[Batch], device: torch.device, memory: int | None, seconds: float,
    progress: Callable[[int, int], None],
) -> SteppedStage:  # fmt: skip
    training = init_training(config, device)
    stepper = Stepper(config, make_schedule(config.diffusion.schedule), device)
    findings: list[Finding] = []
    batch = next(batches)
    count = config.data.batch
    if device.type != "cuda":
        probe = _probe(training, batch, stepper)
        findings.append(_memory(config, probe, memory))
        if findings[-1].level == "FAIL":
            return SteppedStage(tuple(findings))
        count = max(1, min(count, int(seconds / (STEPS * probe.seconds))))
        progress(1, STEPS)
    else:
        train_step(training, batch, stepper).item()  # allocates, and chooses algorithms
    took = _timed(training, batches, stepper, count, seconds, progress)
    if device.type == "cuda":
        findings.append(_card_memory(config, device))
    return SteppedStage((*findings, *_judged(config, took)), took.seconds * config.data.batch / count)


@dataclass(frozen=True)
class _Timed:
    steps: int
    samples: int
    """Of each step."""
    loss: float
    seconds: float
    """Of a step."""
    waited: float
    """Share of it."""


def _timed(
    training: Training, batches: Iterator[Batch], stepper: Stepper, count: int, seconds: float,
    progress: Callable[[int, int], None],
) -> _Timed:  # fmt: skip
    waited, steps, loss = 0.0, 0, math.nan
    started = time.monotonic()
    while steps < STEPS and (steps == 0 or time.monotonic() - started < 1.5 * seconds):
        before = time.monotonic()
        batch = next(batches)
        waited += time.monotonic() - before
        value = train_step(training, next(micro_batches(batch, count)), stepper)
        loss = value.item()
        steps += 1
        progress(steps, STEPS)
        if not math.isfinite(loss) or training.skipped:
            loss = math.nan
            break
    total = time.monotonic() - started
    return _Timed(steps, count, loss, total / steps, waited / total)


def _judged(config: StageConfig, took: _Timed) -> Iterator[Finding]:
    each = took.seconds * config.data.batch / took.samples
    total = each * config.steps
    partly = f" of {counted(took.samples, 'sample')}" if took.samples < config.data.batch else ""
    says = (
        f"{config.stage}: {counted(took.steps, 'step')}{partly}, loss {took.loss:.3f}, "
        f"{config.data.batch / each:.1f} images/s, {counted(config.steps, 'step')} of {config.data.batch} "
        f"take {duration(total)}"
    )
    if not math.isfinite(took.loss):
        yield fail("steps", f"{config.stage}: step {took.steps} is not finite", "a smaller optim.lr, or precision=fp32")
    elif total > _LONG:
        yield warn("steps", says, "a smaller --preset, fewer --steps, or a faster machine")
    else:
        yield ok("steps", says)
    wait = f"{config.stage}: {took.waited:.0%} of a step's time is spent waiting for data"
    slow = took.waited > _WAIT
    fix = "more data.threads, a nearer disk, or more memory for decoded images"
    yield warn("data wait", wait, fix) if slow else ok("data wait", wait)


@dataclass(frozen=True)
class _Probe:
    """Steps of one sample."""

    seconds: float
    persistent: int
    """Bytes of weights, EMA weights, the optimizer's state and gradients."""
    activations: int
    """Bytes of a sample's activations, and of temporary tensors."""


def _probe(training: Training, batch: Batch, stepper: Stepper) -> _Probe:
    """Make three steps of one sample: one that allocates the optimizer's state, a timed and a measured one."""
    one = next(micro_batches(batch, 1))
    train_step(training, one, stepper)
    started = time.monotonic()
    train_step(training, one, stepper)
    seconds = time.monotonic() - started
    with LiveMemory() as live:
        train_step(training, one, stepper)
        peak = live.total_peak
    gradients = bytes_of(training.model.parameters())
    copies = [*training.model.parameters(), *training.ema.values(), *training.masters.values()]
    persistent = gradients + bytes_of(copies) + optimizer_bytes(training)
    return _Probe(seconds, persistent, max(1, peak - gradients))


def _memory(config: StageConfig, probe: _Probe, available: int | None) -> Finding:
    """Compare the memory of a whole micro-batch, in proportion to that of one sample, with what is available."""
    micro = min(config.memory.micro_batch or config.data.batch, config.data.batch)
    needed = probe.persistent + micro * probe.activations
    says = f"{config.stage}: about {gib(needed)} for {counted(micro, 'sample')} at once"
    if available is None:
        return ok("memory", says)
    says += f", {gib(available)} available"
    if needed <= _ROOM * available:
        return ok("memory", says)
    fits = int((_ROOM * available - probe.persistent) // probe.activations)
    if fits < 1:
        return fail("memory", says, "a smaller --preset, or a machine with more memory")
    return fail("memory", says, f"--set memory.micro_batch={1 << (fits.bit_length() - 1)}")


def _card_memory(config: StageConfig, device: torch.device) -> Finding:
    peak, total = torch.cuda.max_memory_allocated(device), torch.cuda.get_device_properties(device).total_memory
    return ok("memory", f"{config.stage}: peak {gib(peak)} of {gib(total)} in these steps")


def processor_flops() -> float:
    """Return the floating-point operations a second of multiplying matrices here."""
    side, best = 768, math.inf
    matrix = torch.ones(side, side)
    for _ in range(3):
        started = time.monotonic()
        matrix @ matrix
        best = min(best, time.monotonic() - started)
    return 2 * side**3 / max(best, 1e-6)

"""Search for settings that make a stage fit a GPU.

They are tried in this order, roughly from the fastest to the leanest. All but the last are numerically equivalent:

1. everything on the device;
2. the EMA weights in host memory: one transfer of the weights a step;
3. activation checkpointing, without and then with 2: the forward pass is computed twice;
4. the optimizer and the EMA weights in host memory, without and then with checkpointing: gradients go to the host and
   weights come back once a step, where Adam runs on the CPU;
5. Adafactor inside the backward pass, without clipping: not the paper's optimizer, and only without gradient
   accumulation. The last resort.

The first whose micro-batch reaches ``ENOUGH`` samples is chosen, else the leanest of 1 to 4, with the largest
micro-batch that fits. Explicit settings are kept: only settings that agree with them are tried, at the micro-batch that
is given.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from train.configuration.presets import merged
from train.configuration.stage_config import StageConfig
from train.hardware.precision import Precision
from train.hardware.world import SINGLE_PROCESS, World
from train.memory.trace import Footprint, trace
from train.models import build_model, count_parameters
from train.models.blocks import Checkpointed

CONTEXT = 448 << 20
"""Bytes that CUDA takes for itself: context, kernels, cuBLAS. Already excluded from a running process's free memory."""
WORKSPACES = 256 << 20
"""Bytes for workspaces of convolutions and matrix products."""
FRAGMENTATION = 0.02
"""Share of the card that the allocator loses to rounding and gaps, with expandable segments."""
ENOUGH = 32
"""With a micro-batch of this size, slower settings that would allow a larger one are not tried."""

_HOST = {"optimizer_on_host": True, "ema_on_host": True}
_EXACT: tuple[dict[str, Any], ...] = (
    {},
    {"memory": {"ema_on_host": True}},
    {"memory": {"checkpointing": True}},
    {"memory": {"checkpointing": True, "ema_on_host": True}},
    {"memory": _HOST},
    {"memory": {"checkpointing": True, **_HOST}},
)
_LAST_RESORT: dict[str, Any] = {
    "optim": {"name": "adafactor", "clip": None},
    "memory": {"checkpointing": True, "optimizer_in_backward": True, "ema_on_host": True},
}


@dataclass(frozen=True)
class StagePlan:
    """The settings chosen for a stage, and its memory in bytes."""

    config: StageConfig
    """The stage's settings with those chosen."""
    settings: dict[str, Any]
    """Those chosen alone, as nested dictionaries."""
    parameters: int
    micro_batch: int
    """The largest that fits; 0 if not even one sample does."""
    footprint: Footprint
    """Measured at ``micro_batch``, or at 1 if that is 0."""

    @property
    def gradients(self) -> int:
        """Bytes of all gradients, 0 if each is freed at once."""
        return 0 if self.config.memory.optimizer_in_backward else self.footprint.weights

    @property
    def activations(self) -> int:
        """Bytes of the peak that are none of weights (the previous stage's too), gradients, optimizer and EMA."""
        footprint = self.footprint
        resident = footprint.weights + self.gradients + footprint.optimizer + footprint.ema + footprint.previous
        return self.footprint.peak - resident

    @property
    def accumulation(self) -> int:
        """Forward and backward passes to one optimizer step."""
        return math.ceil(self.config.data.batch / max(1, self.micro_batch))

    @property
    def needed(self) -> int:
        """Bytes of a card that would do for these settings."""
        return math.ceil((self.footprint.peak + CONTEXT + WORKSPACES) / (1 - FRAGMENTATION))


def budget_of(memory: int, *, running: bool = False) -> int:
    """Return the bytes for a step's tensors on a card of ``memory`` bytes; not positive if there is no room.

    With ``running``, ``memory`` is what is free to a process that has a CUDA context already.
    """
    return int(memory * (1 - FRAGMENTATION)) - WORKSPACES - (0 if running else CONTEXT)


def plan_stage(
    config: StageConfig,
    budget: int,
    precision: Precision,
    batch: int,
    *,
    given: dict[str, Any] | None = None,
    world: World = SINGLE_PROCESS,
    last_resort: bool = True,
    exact: bool = True,
) -> StagePlan:
    """Return the plan of a stage, at ``batch`` samples an optimizer step, within ``budget`` bytes of tensors on a card.

    ``given`` are the settings of memory that are not to be changed. ``world`` says how many processes share a batch,
    and what of each weight one of them keeps. Without ``last_resort`` only settings that compute the same are chosen.
    Not ``exact`` takes fewer traces for a micro-batch that may be short of the largest by a pass or two of a step.
    """
    share = batch // world.size
    fixed = given or {}
    base: dict[str, Any] = {"precision": precision, "data": {"batch": batch}}
    enough = min(share, fixed.get("micro_batch") or ENOUGH)

    def peak(settings: dict[str, Any], size: int) -> int:
        return peak_on(_with(config, settings, size), world)

    chosen = _first_that_fits(config, base, fixed, enough, budget, world)
    if fixed.get("micro_batch"):
        size = enough
        micro = size if peak(chosen, size) <= budget else 0
    else:
        micro = largest(lambda size: peak(chosen, size), budget, enough, even_sizes(share), exact=exact)
        size = max(1, micro)
    if micro == 0 and precision != "fp16" and last_resort and not fixed:
        at_once = merged(base, _LAST_RESORT)
        if peak(at_once, share) <= budget:
            chosen, micro, size = at_once, share, share
    final = _with(config, chosen, size)
    settings = merged(chosen, {"memory": {"micro_batch": size}})
    return StagePlan(final, settings, trace(final).weights // 4, micro, trace(final))


def _first_that_fits(
    config: StageConfig, base: dict[str, Any], fixed: dict[str, Any], micro_batch: int, budget: int, world: World
) -> dict[str, Any]:
    """Return the first of the allowed settings that fits the budget at this micro-batch, else the leanest."""
    tried: list[StageConfig] = []
    for settings in _allowed(fixed, world):
        chosen = merged(base, settings)
        candidate = _with(config, chosen, micro_batch)
        if max(resident(candidate, world), at_least(candidate, tried)) > budget:
            continue  # known without a trace, which takes ten seconds for a large network
        tried.append(candidate)
        if peak_on(candidate, world) <= budget:
            break
    return chosen


def peak_on(config: StageConfig, world: World = SINGLE_PROCESS) -> int:
    """Return the bytes of a step's peak on one of the cards of ``world``.

    With fsdp each keeps its share of weights, gradients, moments and average, and two whole blocks while they compute.
    """
    footprint = trace(config)
    if world.kind != "fsdp":
        return footprint.peak
    resident = 2 * footprint.weights + footprint.optimizer + footprint.ema
    return footprint.peak - resident + resident // world.size + 2 * _largest_block(config)


def _allowed(fixed: dict[str, Any], world: World) -> list[dict[str, Any]]:
    """Return those of the exact settings, in order, that agree with what is fixed and with how processes share."""
    found: list[dict[str, Any]] = []
    for settings in _EXACT:
        memory = settings.get("memory", {}) | {key: value for key, value in fixed.items() if key != "micro_batch"}
        on_host = memory.get("optimizer_on_host") or memory.get("ema_on_host")
        if {"memory": memory} not in found and not (on_host and world.kind == "fsdp"):
            found.append({"memory": memory})
    return found or [{"memory": {key: value for key, value in fixed.items() if key != "micro_batch"}}]


def even_sizes(share: int) -> list[int]:
    """Return the micro-batches of 1, 2, … ``share`` passes over ``share`` samples, ascending: as equal as can be."""
    return sorted({math.ceil(share / passes) for passes in range(1, share + 1)})


def _largest_block(config: StageConfig) -> int:
    with torch.device("meta"):
        blocks = [module for module in build_model(config.model).modules() if isinstance(module, Checkpointed)]
    return max(4 * sum(parameter.numel() for parameter in block.parameters()) for block in blocks)


def largest(peak: Callable[[int], int], budget: int, first: int, sizes: Sequence[int], *, exact: bool = True) -> int:
    """Return the largest of ``sizes``, ascending, whose peak is within the budget, 0 for none.

    Not ``exact``: the first extrapolated size that is within it.

    The peak is nearly affine in the size: the next size is extrapolated from two measurements and measured, until a
    size fits and the next one does not. The first measurement is of ``first``, any size; the second of the one that
    fits if nothing but the batch takes memory, and of a small one if ``first`` does not fit.
    """
    known = {first: peak(first)}
    proportional = first * budget // max(1, known[first])
    second = _at_most(sizes, proportional if proportional > first else first // 4)
    known[second] = peak(second)
    guess = 0
    while True:
        fitting = max((size for size in known if known[size] <= budget), default=0)
        beyond = min((size for size in known if known[size] > budget), default=sizes[-1] + 1)
        between = [size for size in sizes if fitting < size < beyond]
        if not between or (not exact and first < fitting == guess):
            return max((size for size in sizes if size <= fitting), default=0)
        guess = _at_most(between, _extrapolated(known, budget))
        known[guess] = peak(guess)


def _at_most(sizes: Sequence[int], limit: int) -> int:
    """Return the largest of ascending sizes that is within the limit, else the smallest."""
    return sizes[max(0, bisect_right(sizes, limit) - 1)]


def _extrapolated(known: dict[int, int], budget: int) -> int:
    """Return the size whose peak would be the budget, on the line through the two largest sizes measured."""
    if len(known) == 1:
        return 1
    low, high = sorted(known)[-2:]
    slope = (known[high] - known[low]) / (high - low)
    return math.floor(high + (budget - known[high]) / max(slope, 1.0))


def at_least(candidate: StageConfig, tried: list[StageConfig]) -> int:
    """Return a lower bound of a peak from the traces of settings that keep more on the device, 0 without one.

    What moves to the host frees its own bytes, and at most those of the weights besides: temporary tensors of the
    optimizer's step.
    """
    memory, bounds = candidate.memory, [0]
    for other in tried:
        same = {"optimizer_on_host": other.memory.optimizer_on_host, "ema_on_host": other.memory.ema_on_host}
        if candidate.model_copy(update={"memory": memory.model_copy(update=same)}) == other:
            found = trace(other)
            moved = found.ema * memory.ema_on_host + found.optimizer * memory.optimizer_on_host
            bounds.append(found.peak - moved - found.weights)
    return max(bounds)


def _with(config: StageConfig, settings: dict[str, Any], micro_batch: int) -> StageConfig:
    values = merged(config.model_dump(), merged(settings, {"memory": {"micro_batch": micro_batch}}))
    return StageConfig.model_validate(values)


def resident(config: StageConfig, world: World = SINGLE_PROCESS) -> int:
    """Return a lower bound of the peak that takes no trace: weights, gradients, the optimizer's moments, the average.

    Muon has one moment of a matrix and two of other parameters; Adafactor has next to none.
    """
    memory = config.memory
    moments = {"adam": 2, "adamw": 2, "muon": 1, "adafactor": 0}[config.optim.name]
    copies = 1 + (not memory.optimizer_in_backward) + moments * (not memory.optimizer_on_host)
    copies += not memory.ema_on_host
    return 4 * copies * count_parameters(config.model) // (world.size if world.kind == "fsdp" else 1)

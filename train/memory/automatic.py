"""Choosing the settings that the user left open for the machine that trains."""

from __future__ import annotations

import os
import shutil
import sysconfig
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from common.errors import UserError
from train.configuration.presets import merged
from train.configuration.settings import has_setting, validated_config
from train.configuration.stage_config import Stage, StageConfig
from train.hardware.cards import Card
from train.hardware.precision import Precision
from train.hardware.world import World
from train.memory.search import StagePlan, budget_of, peak_on, plan_stage
from train.runs.run_folder import RunFolder

_MEMORY = ("micro_batch", "checkpointing", "optimizer_on_host", "ema_on_host", "optimizer_in_backward")
_GIB = 2**30


@dataclass(frozen=True)
class ChosenSettings:
    """A stage's complete settings."""

    config: StageConfig
    message: str | None
    """One line about what was chosen; None if nothing was."""
    may_halve: bool
    """Whether the micro-batch was chosen here, so that it may be halved when memory runs out."""


def choose(values: dict[str, Any], stage: Stage, card: Card | None, world: World, run: Path) -> ChosenSettings:
    """Return the settings, choosing those that ``values`` leaves open for the GPU, or for a CPU if ``card`` is None.

    A resumed run keeps its settings if the GPU supports them. Raise UserError for impossible settings, and if no
    settings that compute the same result fit the GPU.
    """
    if card is None:
        return ChosenSettings(validated_config(values, stage), None, may_halve=False)
    begun_with = _begun_with(run)
    base = merged(values, {"precision": _precision(values, card, begun_with)})
    if not has_setting(values, "compile"):
        # FSDP gathers weights in hooks, at each of which a graph of the whole network would break.
        base["compile"] = world.kind != "fsdp" and why_not_compiled() is None
    config = validated_config(base, stage)
    given = {name: values["memory"][name] for name in _MEMORY if has_setting(values, f"memory.{name}")}
    if "micro_batch" in given and given["micro_batch"] is None:
        given["micro_batch"] = config.data.batch
    if len(given) >= len(_MEMORY) - 1 or given.get("optimizer_in_backward") or config.optim.name == "adafactor":
        return ChosenSettings(config, _line(config, None, card), may_halve=False)
    budget = budget_of(card.memory, running=True)
    if begun_with and not given:
        same = config.model_copy(update={"memory": begun_with.memory})
        if peak_on(same, world) <= budget:
            return ChosenSettings(same, _line(same, None, card), may_halve=True)
    plan = plan_stage(
        config, budget, config.precision, config.data.batch,
        given=given, world=world, last_resort=False, exact=False,
    )  # fmt: skip
    if plan.micro_batch == 0 and "micro_batch" not in given:
        raise UserError(_too_small(plan, card))
    chosen = validated_config(merged(base, plan.settings), stage)
    return ChosenSettings(chosen, _line(chosen, plan, card), may_halve="micro_batch" not in given)


def why_not_compiled() -> str | None:
    """Return what torch.compile needs to write kernels for a card and this machine lacks; None where nothing."""
    if find_spec("triton") is None:
        return "no Triton"
    compiler = os.environ.get("CC") or "gcc"
    if not any(shutil.which(name) for name in (compiler, "clang", "cc")):
        return "no C compiler, which Triton needs"
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        return "no Python.h, which Triton needs (python3-dev)"
    return None


def _begun_with(run: Path) -> StageConfig | None:
    try:
        return RunFolder(run).read_config()
    except UserError:  # which claiming the run raises too, with what to do
        return None


def _precision(values: dict[str, Any], card: Card, begun_with: StageConfig | None) -> Precision:
    if has_setting(values, "precision"):
        if values["precision"] == "bf16" and not card.has_bf16:
            raise UserError(f"precision=bf16: {card.name} has no bf16 arithmetic; precision=fp16 or auto would fit")
        return values["precision"]  # type: ignore[no-any-return]
    if begun_with and (card.has_bf16 or begun_with.precision != "bf16"):
        return begun_with.precision
    return "bf16" if card.has_bf16 else "fp16"


def _line(config: StageConfig, plan: StagePlan | None, card: Card) -> str:
    memory, batch = config.memory, config.data.batch
    savings = [name for name in _MEMORY[1:] if getattr(memory, name)]
    parts = [config.precision, f"micro-batch {memory.micro_batch or batch} of {batch}", *savings]
    if config.compile:
        parts.append("compiled")
    elif why := why_not_compiled():
        parts.append(f"not compiled, as there is {why}")
    if plan is not None:
        parts.append(f"{plan.footprint.peak / _GIB:.1f} of {card.memory / _GIB:.1f} GiB that are free on {card.name}")
    return f"{config.stage}: {', '.join(parts)}; --set changes any of it"


def _too_small(plan: StagePlan, card: Card) -> str:
    return (
        f"{plan.config.stage}: does not fit the {card.memory / _GIB:.1f} GiB that are free on {card.name}: the leanest "
        f"settings that compute the same take {plan.needed / _GIB:.1f} GiB; free some, give a smaller --preset, or "
        "--set optim.name=adafactor --set optim.clip=null --set memory.optimizer_in_backward=true "
        "--set memory.checkpointing=true"
    )

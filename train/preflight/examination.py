"""All checks in order, from what takes no time to ten steps of each stage: `examine`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.text import counted
from train.configuration.settings import validated_config
from train.configuration.stage_config import Stage, StageConfig
from train.data import ShardFolder
from train.data.blend import Source, parts_of
from train.hardware.cards import card_of
from train.hardware.world import SINGLE_PROCESS
from train.memory.automatic import choose
from train.preflight.findings import Finding, from_error, ok, warn
from train.preflight.machine_checks import machine_findings
from train.preflight.machine_facts import MachineFacts
from train.preflight.runs_checks import disk_findings, run_findings, write_finding
from train.preflight.shard_checks import checksum_finding, opened, shard_findings
from train.preflight.step_checks import step_findings

_CHECKSUM_SECONDS = 5.0
_PACKAGES = {"tensorboard": "pip install 'tryon-cascade[tensorboard]'", "wandb": "pip install wandb"}
"""Packages that settings of the section log need."""


@dataclass(frozen=True)
class FitRequest:
    """What `trainer fit` would be given."""

    sources: Sequence[Source]
    runs: Path
    stages: Sequence[Stage]
    given: Sequence[dict[str, Any]]
    """The explicit settings of each stage."""
    seconds: float = 10.0
    """For the steps of each stage."""


def examine(request: FitRequest, facts: MachineFacts, progress: Callable[[int, int], None]) -> Iterator[Finding]:
    """Yield what each check finds, as soon as it is known. Nothing is left on the disk."""
    yield from machine_findings(facts)
    configs: list[StageConfig] = []
    for values, stage in zip(request.given, request.stages, strict=True):
        config, found = _settings(request, values, stage, facts)
        yield found
        configs += [config] if config else []
    yield from _packages(configs)
    if not configs:
        return
    found_shards: list[Finding] = []
    shards = opened(request.sources, configs, found_shards)
    yield from found_shards
    for split in filter(None, (shards.train, shards.val)):
        for part in parts_of(split):
            yield from shard_findings(part, configs)
            yield checksum_finding(part, _CHECKSUM_SECONDS)
    yield from run_findings(request.runs, configs, shards.train)
    yield from disk_findings(request.runs, configs)
    if shards.train is not None:
        yield from _steps(request, configs, shards.train, facts, progress)


def _settings(
    request: FitRequest, values: dict[str, Any], stage: Stage, facts: MachineFacts
) -> tuple[StageConfig | None, Finding]:
    """Choose the stage's settings as `trainer fit` does; None if it would refuse them."""
    try:
        card = card_of(SINGLE_PROCESS.device)
        choice = choose(values, stage, card, SINGLE_PROCESS, request.runs / stage)
    except UserError as error:
        try:
            return validated_config(values, stage), from_error("settings", error)
        except UserError:
            return None, from_error("settings", error)
    config = choice.config
    if config.precision != "fp32" and not facts.gpus:
        says = f"{stage}: precision={config.precision} on a CPU, which is slower than fp32 on most"
        return config, warn("settings", says, "--set precision=fp32")
    steps = f"{counted(config.steps, 'step')} of {config.data.batch}"
    says = choice.message or f"{stage}: {config.preset}, {config.precision}, {steps}"
    return config, ok("settings", says.removesuffix("; --set changes any of it"))


def _packages(configs: Sequence[StageConfig]) -> Iterator[Finding]:
    for name, install in _PACKAGES.items():
        if any(getattr(config.log, name) for config in configs) and find_spec(name) is None:
            yield from_error("packages", UserError(f"log.{name}=true: not installed; {install}"))


def _steps(
    request: FitRequest,
    configs: Sequence[StageConfig],
    shards: ShardFolder,
    facts: MachineFacts,
    progress: Callable[[int, int], None],
) -> Iterator[Finding]:
    for config in configs:
        stepped = step_findings(config, shards, SINGLE_PROCESS.device, facts.memory, request.seconds, progress)
        yield from stepped.findings
        yield write_finding(request.runs, config, stepped.step_seconds)

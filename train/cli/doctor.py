"""The command `trainer doctor`: what will go wrong in a run, before it is started."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Literal

import click

from common.options import examples
from common.progress import progress_bar
from train.cli.choices.shared_options import JSON, RUNS, SETTINGS, SOURCES, SettingOptions
from train.configuration.settings import merge_settings
from train.configuration.stage_config import STAGES, Stage
from train.data.blend import Source
from train.hardware.cards import prepare
from train.hardware.world import SINGLE_PROCESS
from train.preflight.examination import FitRequest, examine
from train.preflight.findings import as_json, summary
from train.preflight.machine_facts import MachineFacts


@click.command(
    "doctor",
    epilog=examples("trainer doctor --shards shards/", "trainer doctor --shards shards/ --stage base --json"),
)
@SOURCES
@RUNS
@click.option("--stage", type=click.Choice(["all", *STAGES]), default="all", show_default=True, help="Stage to train.")
@SETTINGS
@click.option("--steps", type=click.IntRange(min=1), default=None, help="Optimizer steps of each stage.")
@JSON
def doctor(
    sources: tuple[Source, ...],
    runs: Path,
    stage: Stage | Literal["all"],
    settings: SettingOptions,
    steps: int | None,
    as_object: bool,
) -> None:
    """Check in about a minute what will go wrong in a training run: give it what trainer fit will be given.

    One line a check, with how to put it right: card, driver, settings, shards, run folders, disk, and ten steps of
    each stage, which are discarded. Exit code 1 if a run would fail.
    """
    prepare(SINGLE_PROCESS.device)
    stages: tuple[Stage, ...] = STAGES if stage == "all" else (stage,)
    assignments = (*settings.assignments, f"steps={steps}") if steps else settings.assignments
    given = [merge_settings(settings.size, name, settings.config, assignments) for name in stages]
    findings = []
    with progress_bar("steps") as progress:
        for finding in examine(FitRequest(sources, runs, stages, given), MachineFacts.here(), progress):
            findings.append(finding)
            if not as_object:
                click.echo(str(finding))
    click.echo(json.dumps(as_json(findings)) if as_object else summary(findings))
    if any(finding.level == "FAIL" for finding in findings):
        sys.exit(1)

"""The command `trainer plan`: the GPU memory that training takes."""

from __future__ import annotations

import json
import sys
from typing import Literal

import click

from common.errors import UserError
from common.options import examples
from train.cli.choices.shared_options import JSON
from train.configuration.presets import Preset, preset_config
from train.configuration.stage_config import STAGES, Stage
from train.hardware.cards import CARDS, CardName
from train.hardware.precision import Precision
from train.memory.named_card import planned_card
from train.memory.plan_table import as_json, as_text
from train.memory.search import budget_of, plan_stage


@click.command(
    "plan",
    epilog=examples(
        "trainer plan --preset small --card t4", "trainer plan --preset paper --memory 24GB --stage base --json"
    ),
)
@click.option(
    "--preset", type=click.Choice(["nano", "small", "large", "paper"]), default="small", show_default=True,
    help="Size of the cascade.",
)  # fmt: skip
@click.option(
    "--memory", default=None, metavar="SIZE|auto",
    help="GPU memory as the driver reports it, e.g. 24GB or 15900MiB; auto: what is free on this machine's GPU.  "
    "[default: 16GiB]",
)  # fmt: skip
@click.option("--card", type=click.Choice(list(CARDS)), default=None, help="A known GPU, instead of --memory.")
@click.option("--stage", type=click.Choice(["all", *STAGES]), default="all", show_default=True, help="Stage to plan.")
@click.option(
    "--precision", type=click.Choice(["bf16", "fp16", "fp32"]), default=None,
    help="Precision to train in.  [default: bf16, or fp16 on a GPU without bf16]",
)  # fmt: skip
@click.option(
    "--batch", type=click.IntRange(min=1), default=None, help="Samples per optimizer step.  [default: the preset's]"
)
@JSON
def plan(
    preset: Preset,
    memory: str | None,
    card: CardName | None,
    stage: Stage | Literal["all"],
    precision: Precision | None,
    batch: int | None,
    as_object: bool,
) -> None:
    """Plan the GPU memory that training takes, and the settings that make it fit; needs no GPU."""
    if memory and card:
        raise UserError("--memory and --card both set the memory; use only one")
    target = CARDS[card] if card else planned_card(memory or "16GiB")
    size, running = target.memory, memory == "auto"
    precision = precision or ("bf16" if target.has_bf16 else "fp16")
    if precision == "bf16" and not target.has_bf16:
        raise UserError(f"--precision bf16: {target.name} does not support bf16; use fp16 or fp32")
    plans = []
    for name in STAGES if stage == "all" else (stage,):
        config = preset_config(preset, name)
        click.echo(f"trainer: planning {name}", err=True)
        budget = budget_of(size, running=running)
        plans.append(plan_stage(config, budget, precision, batch or config.data.batch))
    click.echo(json.dumps(as_json(plans, size)) if as_object else as_text(plans, size))
    if not all(plan.micro_batch for plan in plans):
        sys.exit(1)

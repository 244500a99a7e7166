"""The command `trainer plan`: what training takes of a card's memory."""

from __future__ import annotations

import json
import sys
from typing import Literal

import click

from common.errors import UserError
from common.options import examples
from train.cli.options import JSON
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
    "--preset", type=click.Choice(["nano", "small", "paper"]), default="small", show_default=True,
    help="Size of the cascade.",
)  # fmt: skip
@click.option(
    "--memory", default=None, metavar="SIZE|auto",
    help="Memory that the card's driver reports, e.g. 24GB, 15900MiB, or what is free on this one's.  [default: 16GiB]",
)  # fmt: skip
@click.option("--card", type=click.Choice(list(CARDS)), default=None, help="A card that is known, for --memory.")
@click.option("--stage", type=click.Choice(["all", *STAGES]), default="all", show_default=True, help="What to plan.")
@click.option(
    "--precision", type=click.Choice(["bf16", "fp16", "fp32"]), default=None,
    help="Arithmetic.  [default: bf16, or fp16 on a card that has no bf16]",
)  # fmt: skip
@click.option("--batch", type=click.IntRange(min=1), default=None, help="Samples a step.  [default: the preset's]")
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
    """Say what training takes of a card's memory, and the settings that make it fit; needs no GPU."""
    if memory and card:
        raise UserError("--memory and --card both say how much there is; give one of them")
    target = CARDS[card] if card else planned_card(memory or "16GiB")
    size, running = target.memory, memory == "auto"
    precision = precision or ("bf16" if target.has_bf16 else "fp16")
    if precision == "bf16" and not target.has_bf16:
        raise UserError(f"--precision bf16: {target.name} has no bf16 arithmetic; fp16 or fp32 would fit")
    plans = []
    for name in STAGES if stage == "all" else (stage,):
        config = preset_config(preset, name)
        click.echo(f"trainer: planning {name}", err=True)
        budget = budget_of(size, running=running)
        plans.append(plan_stage(config, budget, precision, batch or config.data.batch))
    click.echo(json.dumps(as_json(plans, size)) if as_object else as_text(plans, size))
    if not all(plan.micro_batch for plan in plans):
        sys.exit(1)

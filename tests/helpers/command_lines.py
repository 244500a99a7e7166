"""Whether a command line is one of this version's: prep's, trainer's, or torchrun's with the trainer behind it."""

from __future__ import annotations

import click
from torch.distributed.run import get_args_parser

import preprocess.cli
import train.cli
from train.configuration.settings import stage_config
from train.configuration.stage_config import STAGES


def parsed(words: list[str]) -> click.Context:
    """Return what a command line is understood as. Raise click.ClickException or UserError where it is none."""
    program, *given = words
    if program == "torchrun":
        launched = get_args_parser().parse_args(given)
        assert launched.module, words
        assert launched.training_script == "train", words
        program, given = "trainer", launched.training_script_args
    group: click.Group = {"prep": preprocess.cli.cli, "trainer": train.cli.cli}[program]
    command = group.get_command(click.Context(group), given[0])
    assert command, words
    context = click.Context(command, info_name=f"{program} {given[0]}")
    with context:
        command.parse_args(context, given[1:])
    if (program, given[0]) == ("trainer", "fit"):
        chosen = context.params
        for stage in STAGES if chosen["stage"] == "all" else (chosen["stage"],):
            stage_config(chosen["preset"] or "nano", stage, None, chosen["assignments"])
    return context

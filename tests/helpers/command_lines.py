"""The commands of both programs, their examples, and whether a command line is one of this version's."""

from __future__ import annotations

import shlex

import click
from torch.distributed.run import get_args_parser

import preprocess.cli
import train.cli
from common.lazy_group import LazyGroup
from train.configuration.settings import stage_config
from train.configuration.stage_config import STAGES

PROGRAMS: dict[str, LazyGroup] = {"prep": preprocess.cli.cli, "trainer": train.cli.cli}


def command_of(program: str, name: str) -> click.Command:
    """Return a command, imported."""
    command = PROGRAMS[program].get_command(click.Context(PROGRAMS[program]), name)
    assert command is not None, (program, name)
    return command


def examples_of(program: str, name: str) -> list[list[str]]:
    """Return the example command lines of a command's help, without the redirections of a shell."""
    lines = (command_of(program, name).epilog or "").splitlines()[2:]
    return [shlex.split(line.split(" > ")[0]) for line in lines]


def parsed(words: list[str]) -> click.Context:
    """Return what a command line of prep, trainer, or torchrun with the trainer is understood as.

    Raise click.ClickException or UserError where it is none.
    """
    program, *given = words
    if program == "torchrun":
        launched = get_args_parser().parse_args(given)
        assert launched.module, words
        assert launched.training_script == "train", words
        program, given = "trainer", launched.training_script_args
    command = command_of(program, given[0])
    context = click.Context(command, info_name=f"{program} {given[0]}")
    with context:
        if isinstance(command, click.Group):  # one without options
            name, found, rest = command.resolve_command(context, given[1:])
            assert found is not None
            return found.make_context(name, rest, parent=context)
        command.parse_args(context, given[1:])
    if (program, given[0]) == ("trainer", "fit"):
        chosen = context.params
        for stage in STAGES if chosen["stage"] == "all" else (chosen["stage"],):
            stage_config(chosen["preset"] or "nano", stage, None, chosen["assignments"])
    return context

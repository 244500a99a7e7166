"""The command line reference: every command of both programs, with its options, as click knows them."""

from __future__ import annotations

import inspect

import click

import preprocess.cli
import train.cli
from generators.tables import table

PROGRAMS: dict[str, click.Group] = {"prep": preprocess.cli.cli, "trainer": train.cli.cli}


def command_reference() -> str:
    """Return the sections of both programs."""
    return "\n".join(_program(name, group) for name, group in PROGRAMS.items())


def _program(name: str, group: click.Group) -> str:
    context = click.Context(group, info_name=name)
    commands = {command: group.get_command(context, command) for command in group.list_commands(context)}
    sections = [_command(name, word, command, context) for word, command in commands.items() if command]
    return f"## {name}\n\n{_text(group)}\n\n" + "\n".join(sections)


def _command(program: str, name: str, command: click.Command, parent: click.Context) -> str:
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join([program, name, *command.collect_usage_pieces(context)])
    options = [_option(option, context) for option in command.get_params(context) if isinstance(option, click.Option)]
    head = ("option", "value", "default", "")
    return f"### {program} {name}\n\n{_text(command)}\n\n```text\n{usage}\n```\n\n{table(head, options)}"


def _text(command: click.Command) -> str:
    paragraphs = inspect.cleandoc(command.help or "").split("\f")[0].split("\n\n")
    return "\n\n".join(_paragraph(paragraph) for paragraph in paragraphs)


def _paragraph(text: str) -> str:
    """Return a paragraph of a help text; one marked for click not to wrap stays a block as it is."""
    if text.startswith("\b\n"):
        return f"```text\n{text[2:]}\n```"
    return text


def _option(option: click.Option, context: click.Context) -> tuple[str, str, str, str]:
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    value = "" if option.is_flag else _value(option, context)
    default = option.get_default(context, call=False) if option.show_default and not option.is_flag else None
    shown = "required" if option.required else "" if default is None or callable(default) else f"`{default}`"
    return names, value, shown, option.help or ""


def _value(option: click.Option, context: click.Context) -> str:
    if isinstance(option.type, click.Choice):
        value = ", ".join(f"`{choice}`" for choice in option.type.choices)
    else:
        value = f"`{option.make_metavar(context)}`".replace("|", " or ")
    return f"{value}, repeatable" if option.multiple else value

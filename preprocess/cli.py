"""The `prep` command line. Results go to stdout, progress and messages to stderr; exit code 2 is the user's mistake."""

from __future__ import annotations

from importlib import import_module

import click

from schemas.program import run_program, traceback_option

_COMMANDS = {
    "annotate": ("preprocess.annotate_cli", "annotate_photographs"),
    "build-shards": ("preprocess.build_cli", "build_shards"),
    "inspect": ("preprocess.inspect_cli", "inspect_command"),
    "report": ("preprocess.report_cli", "report_command"),
    "sample-data": ("preprocess.sample_data_cli", "sample_data"),
    "verify": ("preprocess.verify_cli", "verify_shards"),
}
"""Where each command is."""


class _Commands(click.Group):
    """Commands that are imported as they are called: the others would take a third of the start."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command


_NAMES: dict[str, click.Command] = {name: click.Command(name) for name in _COMMANDS}
"""What there is to list, and to suggest for a misspelt one."""


@click.group(cls=_Commands, commands=_NAMES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tryon-cascade")
@traceback_option
def cli() -> None:
    """Turn a try-on data set into WebDataset shards of (Ia, Jp, Ic, Jg)."""


def main() -> None:
    """Run `prep`; whatever ends it is one line on stderr: exit code 2 for a user's mistake, 1 for a bug."""
    run_program(
        "prep", lambda: cli.main(standalone_mode=False), interrupted="run the same command again to resume"
    )  # fmt: skip

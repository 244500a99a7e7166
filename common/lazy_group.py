"""A click group whose commands live in modules of their own, imported only when called."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from importlib import import_module
from typing import Any, NamedTuple

import click

from common.extras import needs


class Lazy(NamedTuple):
    """A command's module, function and one-line summary, available without importing it."""

    module: str
    function: str
    summary: str


class LazyGroup(click.Group):
    """A group that imports a command only when it is called: importing all of them takes seconds, listing none.

    ``extra`` is the extra of tryon-cascade that installs what the commands import.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy], extra: str | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.lazy = lazy
        self.extra = extra

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names, in order."""
        return sorted(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command; None if there is none of this name. Raise UserError without the extra."""
        if cmd_name not in self.lazy:
            return None
        module, function, _ = self.lazy[cmd_name]
        with needs(self.extra) if self.extra else nullcontext():
            command: click.Command = getattr(import_module(module), function)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:  # fmt: skip
        """Find the command; suggest close matches for a misspelt name without importing any."""
        if args and args[0] not in self.lazy and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], self.lazy, n=3)
            hint = f" (Did you mean {' or '.join(near)}?)" if near else ""
            ctx.fail(f"No such command '{args[0]}'.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with their summaries."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.lazy[name].summary) for name in self.list_commands(ctx)])

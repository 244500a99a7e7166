"""Building blocks of both command lines: folders that may be URLs, seeds, examples, groups of options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import click


class _Path(click.Path):
    """A path; not the empty one, which would be the working folder: a variable of the shell that is not set."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path. Fail if it is empty."""
        if value == "":
            self.fail("empty; give a path, or . for this folder (is a variable not set?)", param, ctx)
        return super().convert(value, param, ctx)


FOLDER = _Path(file_okay=False, path_type=Path)
FILE = _Path(dir_okay=False, path_type=Path)

MAX_SEED: Final = 2**63 - 1
"""The largest seed that both NumPy's and torch's generators accept unchanged."""
SEED_RANGE = click.IntRange(0, MAX_SEED)

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Decorator(Protocol):
    """A decorator that adds options to a command."""

    def __call__(self, command: _Command) -> _Command:
        """Return the command with the options."""


if TYPE_CHECKING:
    _LocationType = click.ParamType[Path | str]
else:  # generic only since click 8.4
    _LocationType = click.ParamType


class Location(_LocationType):
    """A local folder (Path) or a URL (str); as a Path, a URL would lose one of its two slashes."""

    name = "folder|url"

    def convert(self, value: Path | str, param: click.Parameter | None, ctx: click.Context | None) -> Path | str:
        """Return a path or a URL; fail if a path is that of a file."""
        if isinstance(value, str) and ("://" in value or ":" in value.split("/")[0]):
            return value
        folder: Path = FOLDER.convert(value, param, ctx)
        return folder


def examples(*lines: str) -> str:
    """Return example command lines as a command's epilog, each on its own line; a test runs them."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def options_of(group: type[Any], name: str, *options: Callable[[Any], Any]) -> Decorator:
    """Return a decorator that adds the options and passes them as one argument ``name``, a dataclass ``group``.

    The options have the names of the dataclass's fields.
    """

    def decorate(command: _Command) -> _Command:
        @wraps(command)
        def call(**values: Any) -> Any:
            own = {field.name: values.pop(field.name) for field in fields(group)}
            return command(**values, **{name: group(**own)})

        decorated: Any = call
        for option in reversed(options):
            decorated = option(decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate

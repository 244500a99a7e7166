"""What a program says on stderr while it works: notices, and a progress bar where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Moves a bar: how many are done, of how many, and a few words to show beside it."""

    def __call__(self, done: int, total: int, text: str = "") -> None:
        """Show it."""


def notice(program: str, line: str) -> None:
    """Print one line, in the program's name."""
    print(f"{program}: {line}", file=sys.stderr, flush=True)


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """Yield a function that moves a bar; it does nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total, text="": None
        return
    from rich import progress as bars  # a tenth of a second that a batch job need not wait for
    from rich.console import Console

    columns = (
        bars.TextColumn(title), bars.BarColumn(), bars.MofNCompleteColumn(), bars.TextColumn("{task.fields[text]}"),
        bars.TimeElapsedColumn(), bars.TimeRemainingColumn(),
    )  # fmt: skip
    with bars.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None, text="")
        yield lambda done, total, text="": bar.update(task, completed=done, total=total, text=text)

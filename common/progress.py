"""Output on stderr while a program runs: notices, and a progress bar if stderr is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """A function that updates a progress bar: number done, total, and a short text next to the bar."""

    def __call__(self, done: int, total: int, text: str = "") -> None:
        """Update the bar."""


def notice(program: str, line: str) -> None:
    """Print one line, prefixed with the program's name."""
    print(f"{program}: {line}", file=sys.stderr, flush=True)


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """Yield a function that updates a progress bar; it does nothing if stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total, text="": None
        return
    from rich import progress as bars  # takes 0.1 s to import, which a batch job is spared
    from rich.console import Console

    columns = (
        bars.TextColumn(title), bars.BarColumn(), bars.MofNCompleteColumn(), bars.TextColumn("{task.fields[text]}"),
        bars.TimeElapsedColumn(), bars.TimeRemainingColumn(),
    )  # fmt: skip
    with bars.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None, text="")
        yield lambda done, total, text="": bar.update(task, completed=done, total=total, text=text)

"""What a program tells beside its result."""

from __future__ import annotations

import sys


def notice(line: str) -> None:
    """Print one line on stderr, in the program's name."""
    print(f"trainer: {line}", file=sys.stderr, flush=True)

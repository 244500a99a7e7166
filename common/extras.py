"""Packages that only an extra brings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from common.errors import UserError


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Import within this what the extra brings. Raise UserError, which says what to install, where it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] in ("train", "schemas"):
            raise
        raise UserError(f"{error.name} is not installed; pip install 'tryon-cascade[{extra}]'") from error

"""Packages that only an extra of tryon-cascade installs, such as jinja2 for `report`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from common.errors import UserError

_OURS = ("common", "preprocess", "schemas", "train", "tryon_cascade")
"""Packages whose absence is a bug, not a missing extra."""


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Import an extra's packages in this block. Raise UserError, naming the extra, if one is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] in _OURS:
            raise
        raise UserError(f"{error.name} is not installed; pip install 'tryon-cascade[{extra}]'") from error

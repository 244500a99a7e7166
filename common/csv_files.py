"""Errors of Python's CSV reader, in one line for the user."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager

from common.errors import UserError


@contextmanager
def csv_errors(where: str) -> Iterator[None]:
    """Raise UserError that names the file ``where`` if the CSV reader refuses it, as for an oversized field."""
    try:
        yield
    except csv.Error as error:
        raise UserError(f"{where}: {error}; give one pair per line, as text") from error

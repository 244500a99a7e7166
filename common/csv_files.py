"""What every program says of a CSV file that Python's reader refuses."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager

from common.errors import UserError


@contextmanager
def csv_errors(where: str) -> Iterator[None]:
    """Raise UserError that names the file ``where`` for a field that is too long to be one."""
    try:
        yield
    except csv.Error as error:
        raise UserError(f"{where}: {error}; give one pair per line, as text") from error

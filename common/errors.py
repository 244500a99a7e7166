"""The one exception that a command line turns into one line on stderr and exit code 2, and what becomes one."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT}


class UserError(Exception):
    """What the user can mend: the message says what is wrong, where, and how to mend it."""


@contextmanager
def writing(what: str | Path) -> Iterator[None]:
    """Raise UserError for what the file system refuses in the block, where ``what`` (`--out samples`) is written."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{what}: {reason(error)}; {advice(error)}") from error


def reason(error: OSError) -> str:
    """Return the errno's text, and the file that it is about."""
    text = error.strerror or str(error) or type(error).__name__
    return f"{text} ({error.filename})" if error.filename else text


def advice(error: OSError) -> str:
    """Return what to do about it."""
    if error.errno in _FULL:
        return "free some space there or give another folder, and run the same command again"
    return "give a folder that can be written to"

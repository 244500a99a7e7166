"""The one exception that a command line turns into one line on stderr and exit code 2."""

from __future__ import annotations


class UserError(Exception):
    """What the user can mend: the message says what is wrong, where, and how to mend it."""

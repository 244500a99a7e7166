"""Opens the standard streams that a program was started without, as services and windowless programs are.

Otherwise the next file that is opened gets the number of stderr, and what libraries write there goes into that file.
"""

from __future__ import annotations

import os
import sys


def open_missing_streams() -> None:
    """Open the null device in place of each of stdin, stdout and stderr that is closed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            flags = os.O_RDONLY if number == 0 else os.O_WRONLY
            taken = os.open(os.devnull, flags)
            if taken != number:
                os.dup2(taken, number)
                os.close(taken)
            os.set_inheritable(number, True)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 -- they stay open
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115

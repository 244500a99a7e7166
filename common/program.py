"""Exit handling of both programs: every exception becomes one line on stderr and an exit code.

2 is the user's mistake or a file system error, 130 Ctrl-C, 143 SIGTERM, 1 a bug, whose line asks for a report. With
`--traceback` (before the command's name) or TRYON_TRACEBACK=1 the traceback is printed before the line.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NoReturn, TypeVar

import click

from common.errors import UserError, advice, reason
from common.text import one_line

_Command = TypeVar("_Command", bound=Callable[..., Any])

_VARIABLE = "TRYON_TRACEBACK"
_FILE_FAULTS = {
    errno.EACCES, errno.EBUSY, errno.EDQUOT, errno.EEXIST, errno.EFBIG, errno.EIO, errno.EISDIR, errno.ELOOP,
    errno.EMFILE, errno.ENAMETOOLONG, errno.ENFILE, errno.ENOENT, errno.ENOSPC, errno.ENOTDIR, errno.ENOTEMPTY,
    errno.EPERM, errno.EROFS, errno.ESTALE,
}  # fmt: skip
"""Error numbers of file systems."""
_ONLY_FILE_FAULTS = {errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.EROFS, errno.ESTALE}
"""Those that only file systems raise; they count without a file name, since a failed write has none."""

_traceback: ContextVar[bool] = ContextVar("traceback", default=False)


def _remember(_ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    _traceback.set(value)


def traceback_option(command: _Command) -> _Command:
    """Add the option `--traceback` to a program's group."""
    option = click.option(
        "--traceback", is_flag=True, envvar=_VARIABLE, expose_value=False, is_eager=True, callback=_remember,
        help=f"Print the traceback of whatever ends the program; also {_VARIABLE}=1.",
    )  # fmt: skip
    return option(command)


def run_program(
    program: str, call: Callable[[], object], *, interrupted: str = "run the same command again", is_main: bool = True
) -> None:
    """Run the command line; an exception is printed as one line, and the process exits.

    ``interrupted`` is the advice after Ctrl-C. If ``is_main`` is false, another process prints the messages that all
    processes would: mistakes in the arguments, and interruptions.
    """
    token = _traceback.set(os.environ.get(_VARIABLE) == "1")
    try:
        with _terminable():
            call()
    except UserError as error:
        _end(error, f"{program}: {error}", 2)
    except (click.exceptions.Abort, KeyboardInterrupt) as error:
        terminated = isinstance(error, Terminated) or isinstance(error.__cause__, Terminated)
        verb = "terminated" if terminated else "interrupted"
        _end(error, f"{program}: {verb}; {interrupted}" if is_main else None, 143 if terminated else 130)
    except click.ClickException as error:
        _end(error, f"{program}: {error.format_message()}" if is_main else None, 2)
    except OSError as error:
        if not _is_file_fault(error):
            _end_with_bug(program, error)
        _end(error, f"{program}: {reason(error)}; {advice(error)}", 2)
    except Exception as error:
        _end_with_bug(program, error)
    finally:
        _traceback.reset(token)


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived: the program ends as after Ctrl-C, so that no worker outlives it and nothing is half-written."""


@contextmanager
def _terminable() -> Iterator[None]:
    """Raise Terminated when SIGTERM arrives in the block; outside of the main thread, do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)


def _terminate(number: int, _frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # once is enough: a second one must not disturb the end
    raise Terminated


def _is_file_fault(error: OSError) -> bool:
    return error.errno in (_FILE_FAULTS if error.filename is not None else _ONLY_FILE_FAULTS)


def _end_with_bug(program: str, error: Exception) -> NoReturn:
    message = one_line(error)
    named = f"{type(error).__name__}: {message}" if message else type(error).__name__
    request = f"this is a bug; run again as `{program} --traceback …` and report the output"
    _end(error, f"{program} {installed_version()}: {named}; {request}", 1)


def _end(error: BaseException, line: str | None, code: int) -> NoReturn:
    if _traceback.get():
        import traceback

        traceback.print_exception(error)
    if line is not None:
        click.echo(line, err=True)
    sys.exit(code)


def installed_version() -> str:
    """Return the version of tryon-cascade, as pip knows it."""
    try:
        return version("tryon-cascade")
    except PackageNotFoundError:
        return "(not installed)"

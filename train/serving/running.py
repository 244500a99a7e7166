"""Running a web application until the user stops the program."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable
from typing import Any, Final

import click
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from train.serving.jobs import Jobs

SHUTDOWN_TIMEOUT: Final = 5.0
"""Seconds to wait at shutdown for the job in progress."""


def run_until_stopped(
    app: web.Application, listening: socket.socket, host: str, path: str, jobs: Jobs, close: Callable[[], None],
    **settings: Any,
) -> None:  # fmt: skip
    """Print the address of ``path``, and serve until an interruption; then end the jobs and call ``close``.

    ``settings`` are further ones of aiohttp's `run_app`. A job that does not end in time ends with the program.
    """
    url = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/{path}"
    jobs.start()
    logging.getLogger("aiohttp.server").addFilter(_is_not_malformed)
    try:
        web.run_app(
            app, sock=listening, access_log=None, print=lambda _: click.echo(f"{url} (Ctrl-C to stop)"), **settings
        )  # fmt: skip
    finally:
        ended = jobs.stop(SHUTDOWN_TIMEOUT)
        close()
    if not ended:
        click.echo("trainer: the job in progress was dropped", err=True)
        sys.stderr.flush()
        os._exit(0)  # the worker thread is inside a network evaluation, or waiting for prep


def _is_not_malformed(record: logging.LogRecord) -> bool:
    """Return whether a log record is of anything else than a request that is no HTTP; everybody can send those."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)

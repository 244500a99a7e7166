"""The command `trainer serve`: the HTTP interface for programs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click

from common.errors import UserError, reason
from common.extras import needs
from common.options import FILE, examples, options_of
from train.cli.choices.shared_options import ANNOTATE, CASCADE, CHECKPOINT, FAST, HOST, WEIGHTS, port_option
from train.hardware.world import SINGLE_PROCESS
from train.inference.cascade import Overrides
from train.inference.outfits.photographs import Prep
from train.inference.sharing.opening_cascades import open_cascade
from train.runs.checkpoint_choice import CheckpointChoice

_KEEP_ALIVE = 30.0
"""Seconds after which a connection that sends no request is closed."""
_TOKEN = "TRYON_TOKEN"
_SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class ServeLimits:
    """What requests may cost."""

    queue: int
    time_limit: float
    max_megabytes: float
    max_megapixels: float


_LIMITS = options_of(
    ServeLimits,
    "limits",
    click.option(
        "--queue", type=click.IntRange(0, 1000), default=8, show_default=True, help="Requests that may wait."
    ),
    click.option(
        "--time-limit", type=click.FloatRange(1), default=600.0, show_default=True,
        help="Seconds for an image, with waiting.",
    ),
    click.option(
        "--max-megabytes", type=click.FloatRange(0.1, 1000), default=10.0, show_default=True,
        help="Size of one photograph.",
    ),
    click.option(
        "--max-megapixels", type=click.FloatRange(0.1, 100), default=60.0, show_default=True,
        help="Pixels of one photograph.",
    ),
)  # fmt: skip


@click.command("serve", epilog=examples("trainer serve --runs runs/ --weights weights/"))
@CASCADE
@CHECKPOINT
@WEIGHTS
@ANNOTATE
@FAST
@HOST
@port_option(8080)
@click.option(
    "--token-file", type=FILE, help=f"File with the token that requests have to send.  [default: ${_TOKEN}, or none]"
)
@_LIMITS
def serve(
    runs: Path,
    checkpoint: CheckpointChoice,
    weights: tuple[Path, ...],
    annotate: tuple[str, ...],
    fast: bool,
    host: str,
    port: int,
    token_file: Path | None,
    limits: ServeLimits,
) -> None:
    """Serve `POST /v1/try-on`: photographs in, a photograph out, for programs.

    `GET /v1/openapi.json` describes the interface. Needs the estimators: pip install
    'tryon-cascade[train,demo,estimate]'.
    """
    with needs("train,demo"):
        from train.serving.api import TRY_ON, ApiLimits, ApiState, make_api
        from train.serving.forms import FormLimits
        from train.serving.guard import is_loopback, open_socket
        from train.serving.jobs import Jobs
        from train.serving.making import PhotographMaker
        from train.serving.running import SHUTDOWN_TIMEOUT, run_until_stopped
    token, prep = _token(token_file), Prep(weights, annotate, quiet=True)
    listening = open_socket(host, port)  # before the cascade is loaded, so that a port in use is reported at once
    stages = open_cascade(runs, SINGLE_PROCESS.device, checkpoint=checkpoint)
    if not token and not is_loopback(host):
        click.echo("trainer: no token: everybody who reaches this address can use it; give --token-file", err=True)
    form = FormLimits(bytes=int(limits.max_megabytes * 2**20), pixels=int(limits.max_megapixels * 1e6))
    maker = PhotographMaker(stages, prep, Overrides(fast=fast), SINGLE_PROCESS.device)
    jobs = Jobs(limits.queue)
    state = ApiState(
        jobs, maker, {stage.config.stage: stage.config.size for stage in stages},
        ApiLimits(form=form, seconds=limits.time_limit),
    )  # fmt: skip
    run_until_stopped(
        make_api(state, host, token), listening, host, TRY_ON.removeprefix("/"), jobs, state.close,
        handler_cancellation=True, keepalive_timeout=_KEEP_ALIVE, shutdown_timeout=SHUTDOWN_TIMEOUT,
    )  # fmt: skip


def _token(path: Path | None) -> str:
    """Return the token, empty if none is given. Raise UserError for one that can be guessed."""
    try:
        token = (path.read_text(encoding="utf-8") if path else os.environ.get(_TOKEN, "")).strip()
    except (OSError, UnicodeDecodeError) as error:
        why = reason(error) if isinstance(error, OSError) else "not UTF-8 text"
        raise UserError(f"--token-file {path}: {why}; give a readable file") from error
    if (token or path) and len(token) < _SHORTEST_TOKEN:
        where = f"--token-file {path}" if path else f"${_TOKEN}"
        raise UserError(f"{where}: a token of at least {_SHORTEST_TOKEN} characters is needed; openssl rand -hex 32")
    return token

"""HTTP API for programs: `POST /v1/try-on` returns the try-on photograph, `GET /v1/health` the server's state.

One image is made at a time. A request waits until its image is done. Its uploads are deleted as soon as it has been
answered or refused, or the client has disconnected.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO, Final, get_args

from aiohttp import web

from common.errors import UserError
from schemas import Garment
from train.diffusion.samplers import OnStep
from train.inference.outfits.photographs import PrepError
from train.inference.outfits.wearing import TryOnRequest
from train.serving.forms import Form, FormLimits, image_suffix, read_form
from train.serving.guard import errors_as_json, guard, refusal, token_guard
from train.serving.jobs import Job, Jobs, NotReadyError, QueueFullError, Result

TRY_ON: Final = "/v1/try-on"
HEALTH: Final = "/v1/health"
OPENAPI: Final = "/v1/openapi.json"
_OPEN: Final = frozenset({HEALTH, OPENAPI})
"""Paths that need no token."""
_KINDS: Final[tuple[Garment, ...]] = get_args(Garment)
_CHUNK: Final = 64 * 1024
_RETRY_AFTER: Final = "5"

MakePhotograph = Callable[[TryOnRequest, int, Path, Callable[[], None], OnStep], Result]
"""(request, seed, folder, check, on_step) → the photograph. ``check`` and ``on_step`` raise what ends the job."""


@dataclass(frozen=True)
class ApiLimits:
    """What a request may cost."""

    form: FormLimits = field(default_factory=FormLimits)
    garments: int = 3
    uploads: int = 16
    """Requests whose forms arrive at the same time"""
    seconds: float = 600.0
    """Maximum time until the image is made, waiting included"""
    chunk_seconds: float = 30.0
    """Maximum time for a client to read the next 64 KiB of the response"""


@dataclass
class ApiState:
    """State shared by the handlers."""

    jobs: Jobs
    make: MakePhotograph
    sizes: Mapping[str, int]
    """Each stage's image size in pixels"""
    limits: ApiLimits = field(default_factory=ApiLimits)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="tryon-serve-")))
    """Holds a folder for each request in progress, with its photographs"""
    uploading: int = 0

    def close(self) -> None:
        """Delete all photographs."""
        shutil.rmtree(self.folder, ignore_errors=True)


_STATE: Final = web.AppKey("api_state", ApiState)


def make_api(state: ApiState, host: str, token: str = "") -> web.Application:
    """Return the application, to be run on ``host``. With a token, requests must send it."""
    check = token_guard(token, _OPEN) if token else guard(host)
    app = web.Application(middlewares=[check, errors_as_json])
    app[_STATE] = state
    app.router.add_get(HEALTH, _health)
    app.router.add_get(OPENAPI, _openapi)
    app.router.add_post(TRY_ON, _try_on)
    return app


async def _health(request: web.Request) -> web.Response:
    state = request.app[_STATE]
    waiting, running = state.jobs.load()
    return web.json_response(
        {
            "status": "ok", "waiting": waiting, "running": running, "stages": dict(state.sizes),
            "expected_seconds": state.jobs.expected_seconds(),
        }
    )  # fmt: skip


async def _openapi(_request: web.Request) -> web.Response:
    return web.json_response(openapi())


def openapi() -> dict[str, Any]:
    """Return the description of this interface, OpenAPI 3.1."""
    text = files("train.serving").joinpath("static", "openapi.json").read_text(encoding="utf-8")
    described: dict[str, Any] = json.loads(text)
    return described


async def _try_on(request: web.Request) -> web.StreamResponse:
    state = request.app[_STATE]
    if state.jobs.is_full or state.uploading >= state.limits.uploads:
        return _busy("too many requests are waiting")
    folder = Path(tempfile.mkdtemp(dir=state.folder))
    try:
        return await _answer(request, state, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _answer(request: web.Request, state: ApiState, folder: Path) -> web.StreamResponse:
    form = await _receive(request, state, folder)
    wanted, seed = await asyncio.to_thread(_parse_request, form, folder, state.limits)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        with suppress(RuntimeError):  # the loop is closed once the server has stopped
            loop.call_soon_threadsafe(ended.set)

    try:
        job = state.jobs.add(partial(_make, state.make, wanted, seed, folder), end)
    except QueueFullError:
        return _busy("too many images are waiting")
    try:
        async with asyncio.timeout(state.limits.seconds):
            await ended.wait()
    except TimeoutError:
        return refusal(504, f"the image was not made within {state.limits.seconds:g} seconds")
    finally:
        # After a disconnect or a timeout no job may be left that reads deleted photographs.
        state.jobs.cancel(job)
        await _until_ended(ended)
        state.jobs.discard(job)
    return await _send(request, state, job)


async def _until_ended(ended: asyncio.Event) -> None:
    """Wait for the job's end, even if the request is cancelled meanwhile; a cancelled job ends at its next step."""
    waiting = asyncio.ensure_future(ended.wait())
    while not waiting.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(waiting)


async def _receive(request: web.Request, state: ApiState, folder: Path) -> Form:
    count: dict[str, int] = {}

    def open_file(name: str) -> BinaryIO:
        count[name] = count.get(name, 0) + 1
        return (folder / f"{name}{count[name]}").open("wb")

    async with _uploading(state):
        return await read_form(request, state.limits.form, ("person", "garment"), open_file)


@asynccontextmanager
async def _uploading(state: ApiState) -> AsyncIterator[None]:
    state.uploading += 1
    try:
        yield
    finally:
        state.uploading -= 1


def _parse_request(form: Form, folder: Path, limits: ApiLimits) -> tuple[TryOnRequest, int]:
    """Return the request and the seed. Raise UserError for a part that is missing, unknown or no image."""
    if form.photographs.get("person", 0) != 1:
        raise UserError("send one photograph as `person`")
    garments = form.photographs.get("garment", 0)
    if not 1 <= garments <= limits.garments:
        raise UserError(f"send one to {limits.garments} photographs as `garment`")
    if unknown := set(form.fields) - {"kind", "seed"}:
        raise UserError(f"unknown field {min(unknown)[:40]!r}; the parts are person, garment, kind and seed")
    kinds = []
    for given in form.fields.get("kind", []):
        if given not in ("", *_KINDS):
            raise UserError(f"a kind is one of {', '.join(_KINDS)}, or empty to infer it from the outline")
        kinds.append(next((kind for kind in _KINDS if kind == given), None))
    seed = form.first("seed", "0")
    if not re.fullmatch(r"[0-9]{1,9}", seed):
        raise UserError("a seed is a whole number of at most nine digits")
    person, *rest = (
        _rename_by_content(folder / name, limits.form.pixels)
        for name in ("person1", *(f"garment{n + 1}" for n in range(garments)))
    )
    try:
        return TryOnRequest(person, tuple(rest), tuple(kinds)), int(seed)
    except UserError as error:
        raise UserError(_without_paths(str(error), folder.parent)) from error


def _rename_by_content(path: Path, most_pixels: int) -> Path:
    """Rename an uploaded file after what it holds; return the new path."""
    with path.open("rb") as file:
        suffix = image_suffix(file, most_pixels)
    return path.rename(path.with_suffix(suffix))


def _make(make: MakePhotograph, wanted: TryOnRequest, seed: int, folder: Path, on_step: OnStep) -> Result:
    try:
        return make(wanted, seed, folder, lambda: on_step(0, 1), on_step)
    except PrepError as error:
        raise NotReadyError(error.why) from error


async def _send(request: web.Request, state: ApiState, job: Job) -> web.StreamResponse:
    """Send the image in chunks, each with a time limit."""
    if job.state == "failed":
        return refusal(job.status, _without_paths(job.error, state.folder))
    if job.result is None or job.result.photograph is None:
        return _busy("the server is stopping")
    png, width_height = job.result.photograph.png, job.result.photograph.size
    response = web.StreamResponse(
        headers={
            "Content-Type": "image/png", "Content-Length": str(len(png)), "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff", "X-Image-Size": "{}x{}".format(*width_height),
            "X-Garment-Kinds": job.result.metadata.get("kind", ""), "X-Seconds": f"{job.seconds:.1f}",
        }
    )  # fmt: skip
    await response.prepare(request)
    try:
        for start in range(0, len(png), _CHUNK):
            async with asyncio.timeout(state.limits.chunk_seconds):
                await response.write(png[start : start + _CHUNK])
        async with asyncio.timeout(state.limits.chunk_seconds):
            await response.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    return response


def _busy(why: str) -> web.Response:
    answer = refusal(503, f"{why}; try again later")
    answer.headers["Retry-After"] = _RETRY_AFTER
    return answer


def _without_paths(message: str, folder: Path) -> str:
    """Return a message without the folder in which the photographs lay."""
    return re.sub(rf"{re.escape(str(folder))}/[^/\s]+/", "", message)

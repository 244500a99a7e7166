"""The page's HTTP server: catalogue, jobs, images. For local use."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Final

from aiohttp import web

from common.errors import UserError
from common.page import base_style
from schemas import Garment
from train.diffusion.samplers import OnStep
from train.inference.sampling import Role
from train.serving.catalogue import Catalogue
from train.serving.dressing import Dressing, DressingRequest
from train.serving.forms import Form, image_suffix, read_form
from train.serving.guard import errors_as_json, guard, refusal
from train.serving.jobs import MAX_WAITING, Job, Jobs, QueueFullError, Result
from train.serving.uploads import LIMITS, UploadedPhotographs

_PARTS: Final = {"": "demo.html", "demo.css": "demo.css", "demo.js": "demo.js"}
_TYPES: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_PHOTOGRAPH: Final = "photograph"
"""The name of the whole photograph beside those of the stages."""
_ROLES: Final[tuple[Role, ...]] = ("person", "garment")
_UPLOADS: Final = tuple(f"{role}_photograph" for role in _ROLES)


@dataclass(frozen=True)
class AppState:
    """State shared by the handlers."""

    jobs: Jobs
    dressing: Dressing

    @property
    def catalogue(self) -> Catalogue:
        """The people and garments offered."""
        return self.dressing.catalogue

    @property
    def photographs(self) -> UploadedPhotographs:
        """The handler of uploaded photographs."""
        return self.dressing.photographs


_APP_STATE: Final = web.AppKey("app_state", AppState)


def make_app(app_state: AppState, host: str) -> web.Application:
    """Return the application, to be run on ``host``; requests must name it in their Host header."""
    app = web.Application(middlewares=[guard(host), errors_as_json])
    app[_APP_STATE] = app_state
    app.router.add_get("/{part:demo\\.css|demo\\.js|}", _part)
    app.router.add_get("/api/catalogue", _catalogue)
    app.router.add_get("/api/{role:person|garment}/{position:\\d{1,9}}", _thumbnail)
    app.router.add_post("/api/jobs", _add)
    app.router.add_post("/api/understand", _understand)
    app.router.add_get("/api/jobs/{id}", _state)
    app.router.add_delete("/api/jobs/{id}", _cancel)
    app.router.add_get("/api/jobs/{id}/{stage:[a-z0-9]+}.png", _picture)
    app.router.add_get("/api/jobs/{id}/{name:[a-z]+}.jpg", _comparison)
    return app


async def _part(request: web.Request) -> web.Response:
    name = _PARTS[request.match_info["part"]]
    text = files("train.serving").joinpath("static", name).read_text(encoding="utf-8")
    if name == "demo.css":
        text = base_style() + text
    return web.Response(text=text, content_type=_TYPES[PurePosixPath(name).suffix])


async def _catalogue(request: web.Request) -> web.Response:
    app_state = request.app[_APP_STATE]
    kinds = {
        kind: {
            role: [{"id": entry.position, "name": entry.name} for entry in getattr(offered, role)] for role in _ROLES
        }
        for kind, offered in app_state.catalogue.offered.items()
    }
    uploads = {"state": app_state.photographs.state, "why": app_state.photographs.why, "bytes": LIMITS.bytes}
    return web.json_response({"kinds": kinds, "uploads": uploads, "stages": app_state.dressing.sizes})


async def _thumbnail(request: web.Request) -> web.Response:
    catalogue = request.app[_APP_STATE].catalogue
    position = int(request.match_info["position"])
    role = next(role for role in _ROLES if role == request.match_info["role"])
    if not any(catalogue.has(role, kind, position) for kind in catalogue.offered):
        raise web.HTTPNotFound
    data, kind = await asyncio.to_thread(catalogue.thumbnail, role, position)
    return web.Response(body=data, content_type=kind)


async def _add(request: web.Request) -> web.Response:
    app_state = request.app[_APP_STATE]
    form, photographs = await _form(request)
    choice = _choice(app_state, form, photographs)
    return _queued(app_state, partial(app_state.dressing.dress, choice))


async def _understand(request: web.Request) -> web.Response:
    """Queue the estimate of a photograph, to be shown before it is dressed."""
    app_state = request.app[_APP_STATE]
    form, photographs = await _form(request)
    if len(photographs) != 1:
        raise UserError("send one photograph")
    ((role, data),) = photographs.items()
    given = form.first("kind")
    kind = _offered_kind(app_state, given)
    if kind is None and (given or role == "person"):
        raise UserError("choose a kind of garment from the list")
    _check_upload(app_state, data)
    return _queued(app_state, partial(app_state.dressing.understand, role, kind, data))


def _queued(app_state: AppState, make: Callable[[OnStep], Result]) -> web.Response:
    try:
        job = app_state.jobs.add(make)
    except QueueFullError:
        return refusal(503, f"{MAX_WAITING} images are already waiting; try again later")
    return web.json_response({"id": job.id}, status=202)


async def _form(request: web.Request) -> tuple[Form, dict[Role, bytes]]:
    """Read a form with at most one photograph of each role. Raise what `read_form` raises."""
    received: dict[str, _Kept] = {}

    def open_file(name: str) -> BinaryIO:
        received[name] = _Kept()
        return received[name]

    form = await read_form(request, LIMITS, _UPLOADS, open_file)
    return form, {role: received[name].data for role, name in zip(_ROLES, _UPLOADS, strict=True) if name in received}


class _Kept(io.BytesIO):
    """A file in memory whose bytes can still be read after it was closed."""

    data = b""

    def close(self) -> None:
        """Keep the bytes."""
        if not self.closed:
            self.data = self.getvalue()
        super().close()


def _offered_kind(app_state: AppState, given: str) -> Garment | None:
    return next((kind for kind in app_state.catalogue.offered if kind == given), None)


def _check_upload(app_state: AppState, data: bytes) -> None:
    """Raise UserError if this server takes no uploads, or the file is not an image."""
    if app_state.photographs.state != "ready":
        raise UserError(f"uploads are not available here: {app_state.photographs.why or 'not ready yet'}")
    image_suffix(io.BytesIO(data), LIMITS.pixels)


def _choice(app_state: AppState, form: Form, photographs: Mapping[Role, bytes]) -> DressingRequest:
    """Return the choice. Raise UserError for an entry that is not offered or a file that is not an image."""
    kind = _offered_kind(app_state, form.first("kind"))
    if kind is None:
        raise UserError("choose a kind of garment from the list")
    chosen: dict[Role, int | bytes] = {}
    for role in _ROLES:
        if role in photographs:
            _check_upload(app_state, photographs[role])
            chosen[role] = photographs[role]
        else:
            given = form.first(role)
            if not re.fullmatch(r"[0-9]{1,9}", given) or not app_state.catalogue.has(role, kind, int(given)):
                raise UserError(f"choose a {role} from the list")
            chosen[role] = int(given)
    seed = form.first("seed", "0")
    if not re.fullmatch(r"[0-9]{1,9}", seed):
        raise UserError("a seed is a whole number of at most nine digits")
    return DressingRequest(kind, chosen["person"], chosen["garment"], int(seed))


async def _state(request: web.Request) -> web.Response:
    job, jobs = _job(request), request.app[_APP_STATE].jobs
    said: dict[str, Any] = {
        "state": job.state, "place": jobs.jobs_ahead(job), "seconds": round(job.seconds, 1),
        "expected": jobs.expected_seconds(), "error": job.error,
    }  # fmt: skip
    if job.result:
        said |= _result(job, job.result, request.app[_APP_STATE].dressing.sizes)
    return web.json_response(said)


def _result(job: Job, result: Result, sizes: Mapping[str, int]) -> dict[str, Any]:
    """Return the page's data about a finished job."""
    base = f"/api/jobs/{job.id}"
    said: dict[str, Any] = {"metadata": dict(result.metadata)}
    said["comparisons"] = {name: f"{base}/{name}.jpg" for name in result.comparisons}
    said["pictures"] = [
        {"stage": stage, "size": sizes[stage], "url": f"{base}/{stage}.png"} for stage in result.pictures
    ]
    if whole := result.photograph:
        width, height = whole.size
        said["photograph"] = {"width": width, "height": height, "url": f"{base}/{_PHOTOGRAPH}.png"}
    return said


async def _cancel(request: web.Request) -> web.Response:
    job = _job(request)
    if not request.app[_APP_STATE].jobs.cancel(job):
        return refusal(409, "the job has already ended")
    return web.json_response({"state": job.state})


async def _picture(request: web.Request) -> web.Response:
    job = _job(request)
    picture = _png(job, request.match_info["stage"])
    if picture is None:
        raise web.HTTPNotFound
    return web.Response(body=picture, content_type="image/png")


async def _comparison(request: web.Request) -> web.Response:
    job = _job(request)
    data = job.result.comparisons.get(request.match_info["name"]) if job.result else None
    if data is None:
        raise web.HTTPNotFound
    return web.Response(body=data, content_type="image/jpeg")


def _png(job: Job, name: str) -> bytes | None:
    """Return the image of a stage, or the whole photograph, of a finished job."""
    if job.result is None:
        return None
    if name == _PHOTOGRAPH:
        return job.result.photograph.png if job.result.photograph else None
    return job.result.pictures.get(name)


def _job(request: web.Request) -> Job:
    job = request.app[_APP_STATE].jobs.find(request.match_info["id"])
    if job is None:
        raise web.HTTPNotFound(reason="no such job, or its result was discarded")
    return job

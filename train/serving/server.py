"""The page's HTTP server: catalogue, jobs, images. For use on one's own machine."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import BodyPartReader, web

from common.errors import UserError
from common.page import base_style
from train.inference.sampling import Role
from train.serving.catalogue import Catalogue
from train.serving.dressing import Choice, Dressing
from train.serving.jobs import MAX_WAITING, Job, Jobs, QueueFullError
from train.serving.uploads import MAX_BYTES, UploadedPhotographs, suffix_of

_PARTS: Final = {"": "demo.html", "demo.css": "demo.css", "demo.js": "demo.js"}
_TYPES: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_MAX_FIELD_BYTES: Final = 64
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_PHOTOGRAPH: Final = "photograph"
"""The name of the whole photograph beside those of the stages."""
_ROLES: Final[tuple[Role, ...]] = ("person", "garment")

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


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


@dataclass
class _Form:
    """A submitted form: fields, and photographs by role."""

    fields: dict[str, str] = field(default_factory=dict)
    photographs: dict[Role, bytes] = field(default_factory=dict)


_APP_STATE: Final = web.AppKey("app_state", AppState)


def open_socket(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raise UserError if the address is not available."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=64)
    except OSError as error:
        said = str(error.strerror).partition(" (")[0]
        raise UserError(
            f"--host {host} --port {port}: {said}; use another --port, or stop the program that uses it"
        ) from error


def make_app(app_state: AppState, host: str) -> web.Application:
    """Return the application, to be run on ``host``; requests must name it in their Host header."""
    app = web.Application(middlewares=[_guard(host), _errors], client_max_size=2 * MAX_BYTES + 2**16)
    app[_APP_STATE] = app_state
    app.router.add_get("/{part:demo\\.css|demo\\.js|}", _part)
    app.router.add_get("/api/catalogue", _catalogue)
    app.router.add_get("/api/{role:person|garment}/{position:\\d{1,9}}", _thumbnail)
    app.router.add_post("/api/jobs", _add)
    app.router.add_get("/api/jobs/{id}", _state)
    app.router.add_delete("/api/jobs/{id}", _cancel)
    app.router.add_get("/api/jobs/{id}/{stage:[a-z0-9]+}.png", _picture)
    return app


def _guard(host: str) -> Any:
    """Return the middleware that refuses foreign hosts and origins, and sets the headers of all responses.

    A foreign page whose domain is made to resolve to this machine (DNS rebinding) has its own name in `Host`.
    """

    @web.middleware
    async def guard(request: web.Request, handler: _Handler) -> web.StreamResponse:
        if not _is_own_name(request.host, host):
            answer: web.StreamResponse = _refusal(421, "the Host header does not name this server")
        elif request.method not in ("GET", "HEAD") and not _is_own_page(request):
            answer = _refusal(403, "the request came from another page")
        else:
            answer = await handler(request)
        answer.headers.update(_HEADERS)
        return answer

    return guard


@web.middleware
async def _errors(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Return errors as JSON, for the page to show."""
    try:
        return await handler(request)
    except UserError as error:
        return _refusal(400, str(error))
    except web.HTTPException as error:
        return _refusal(error.status, error.reason)


def _refusal(status: int, why: str) -> web.Response:
    return web.json_response({"error": why}, status=status)


def _is_own_name(named: str, host: str) -> bool:
    """Return whether a Host header names the server; if bound to all addresses, any IP literal does."""
    try:
        name = urlsplit(f"//{named}").hostname or ""
    except ValueError:
        return False
    if name in {"localhost", "127.0.0.1", "::1", host.lower()}:
        return True
    return host in ("0.0.0.0", "::") and (_is_address(name) or name == socket.gethostname().lower())


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_own_page(request: web.Request) -> bool:
    origin = request.headers.get("Origin")
    return origin is None or origin == f"http://{request.host}"


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
    uploads = {"state": app_state.photographs.state, "why": app_state.photographs.why, "bytes": MAX_BYTES}
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
    form = await _read_form(request)
    choice = _choice(app_state, form)
    try:
        job = app_state.jobs.add(partial(app_state.dressing.dress, choice))
    except QueueFullError:
        return _refusal(503, f"{MAX_WAITING} images are already waiting; try again later")
    return web.json_response({"id": job.id}, status=202)


async def _read_form(request: web.Request) -> _Form:
    """Read the parts one by one, each up to its size limit. Raise HTTPRequestEntityTooLarge, HTTPBadRequest."""
    if not request.content_type.startswith("multipart/"):
        raise web.HTTPUnsupportedMediaType(reason="expected multipart form data")
    form = _Form()
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                raise web.HTTPBadRequest(reason="nested multipart data is not supported")
            role = next((role for role in _ROLES if part.name == f"{role}_photograph"), None)
            data = await _read_part(part, MAX_BYTES if role else _MAX_FIELD_BYTES)
            if role:
                form.photographs[role] = data
            else:
                form.fields[str(part.name)] = data.decode("utf-8", errors="replace")
    except ValueError as error:
        raise web.HTTPBadRequest(reason="malformed form data") from error
    return form


async def _read_part(part: BodyPartReader, most: int) -> bytes:
    data = bytearray()
    while chunk := await part.read_chunk():
        data += chunk
        if len(data) > most:
            said = f"{most // 2**20} MB per image" if most > 2**20 else f"{most} bytes per field"
            raise web.HTTPRequestEntityTooLarge(most, len(data), reason=f"too large; the maximum is {said}")
    return bytes(data)


def _choice(app_state: AppState, form: _Form) -> Choice:
    """Return the choice. Raise UserError for an entry that is not offered or a file that is not an image."""
    kind = next((kind for kind in app_state.catalogue.offered if kind == form.fields.get("kind")), None)
    if kind is None:
        raise UserError("choose a kind of garment from the list")
    chosen: dict[Role, int | bytes] = {}
    for role in _ROLES:
        if role in form.photographs:
            if app_state.photographs.state != "ready":
                raise UserError(f"uploads are not available here: {app_state.photographs.why or 'not ready yet'}")
            suffix_of(form.photographs[role])
            chosen[role] = form.photographs[role]
        else:
            given = form.fields.get(role, "")
            if not re.fullmatch(r"[0-9]{1,9}", given) or not app_state.catalogue.has(role, kind, int(given)):
                raise UserError(f"choose a {role} from the list")
            chosen[role] = int(given)
    seed = form.fields.get("seed", "0")
    if not re.fullmatch(r"[0-9]{1,9}", seed):
        raise UserError("a seed is a whole number of at most nine digits")
    return Choice(kind, chosen["person"], chosen["garment"], int(seed))


async def _state(request: web.Request) -> web.Response:
    job, jobs = _job(request), request.app[_APP_STATE].jobs
    said: dict[str, Any] = {
        "state": job.state, "place": jobs.jobs_ahead(job), "seconds": round(job.seconds, 1),
        "expected": jobs.expected_seconds(), "error": job.error,
    }  # fmt: skip
    if job.result:
        sizes: Mapping[str, int] = request.app[_APP_STATE].dressing.sizes
        said["pictures"] = [
            {"stage": stage, "size": sizes[stage], "url": f"/api/jobs/{job.id}/{stage}.png"}
            for stage in job.result.pictures
        ]
        if whole := job.result.photograph:
            width, height = whole.size
            url = f"/api/jobs/{job.id}/{_PHOTOGRAPH}.png"
            said["photograph"] = {"width": width, "height": height, "url": url}
        said["told"] = dict(job.result.metadata)
    return web.json_response(said)


async def _cancel(request: web.Request) -> web.Response:
    job = _job(request)
    if not request.app[_APP_STATE].jobs.cancel(job):
        return _refusal(409, "the job has already ended")
    return web.json_response({"state": job.state})


async def _picture(request: web.Request) -> web.Response:
    job = _job(request)
    picture = _png(job, request.match_info["stage"])
    if picture is None:
        raise web.HTTPNotFound
    return web.Response(body=picture, content_type="image/png")


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

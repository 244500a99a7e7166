"""Access control: requests to the server's own names and pages, or with the token; errors are returned as JSON."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

from common.errors import UserError

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

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


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


def guard(host: str) -> Any:
    """Return the middleware that refuses foreign hosts and origins, and sets the headers of all responses.

    A foreign page whose domain is made to resolve to this machine (DNS rebinding) has its own name in `Host`.
    """

    @web.middleware
    async def own_only(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_own_name(request.host, host):
            answer: web.StreamResponse = refusal(421, "the Host header does not name this server")
        elif request.method not in ("GET", "HEAD") and not _is_own_page(request):
            answer = refusal(403, "the request came from another page")
        else:
            answer = await handler(request)
        if not answer.prepared:
            answer.headers.update(_HEADERS)
        return answer

    return own_only


def token_guard(token: str, open_paths: frozenset[str]) -> Any:
    """Return the middleware that accepts requests with the token, and any request for ``open_paths``.

    With a token, names and origins do not matter: a foreign page does not know it.
    """
    expected = token.encode()

    @web.middleware
    async def known_only(request: web.Request, handler: Handler) -> web.StreamResponse:
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        known = kind.lower() == "bearer" and secrets.compare_digest(given.strip().encode("utf-8", "replace"), expected)
        if known or (request.method in ("GET", "HEAD") and request.path in open_paths):
            answer = await handler(request)
        else:
            answer = refusal(401, "send the token: Authorization: Bearer TOKEN")
            answer.headers["WWW-Authenticate"] = "Bearer"
        if not answer.prepared:
            answer.headers.update(_HEADERS)
        return answer

    return known_only


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Return errors as JSON, for the page or program to show."""
    try:
        return await handler(request)
    except UserError as error:
        return refusal(400, str(error))
    except web.HTTPException as error:
        answer = refusal(error.status, error.reason)
        for name in ("Allow", "Retry-After", "Connection"):
            if name in error.headers:
                answer.headers[name] = error.headers[name]
        if answer.headers.get("Connection") == "close":
            answer.force_close()
        return answer


def refusal(status: int, why: str) -> web.Response:
    """Return an error with its reason."""
    return web.json_response({"error": why}, status=status)


def is_own_name(named: str, host: str) -> bool:
    """Return whether a Host header names the server; if bound to all addresses, any IP literal does."""
    try:
        name = urlsplit(f"//{named}").hostname or ""
    except ValueError:
        return False
    if name in {"localhost", "127.0.0.1", "::1", host.lower()}:
        return True
    return host in ("0.0.0.0", "::") and (_is_address(name) or name == socket.gethostname().lower())


def is_loopback(host: str) -> bool:
    """Return whether a server on ``host`` can be reached from this machine only."""
    if host == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_own_page(request: web.Request) -> bool:
    origin = request.headers.get("Origin")
    return origin is None or origin == f"http://{request.host}"

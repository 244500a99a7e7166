"""A server on this machine, requests to it, and what it answers."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from aiohttp import web

from train.serving.guard import open_socket


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)


class Body(NamedTuple):
    """The bytes of a request and their content type."""

    data: bytes
    kind: str


def ask(port: int, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    """Send a request; `_` in a header's name stands for `-`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body or None, {name.replace("_", "-"): it for name, it in headers.items()})
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): it for name, it in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def form(parts: Sequence[tuple[str, bytes | str]]) -> Body:
    """Return a form; bytes are a photograph under a name that leads elsewhere."""
    boundary = "0123456789abcdef"
    data = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        + (b'; filename="../../etc/passwd"' if isinstance(value, bytes) else b"")
        + b"\r\n\r\n" + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"
        for name, value in parts
    )  # fmt: skip
    return Body(data + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}")


def serve_in_thread(app: web.Application, **settings: Any) -> tuple[int, Callable[[], None]]:
    """Serve an application on loopback; return the port, and what ends it. ``settings`` are aiohttp's AppRunner's."""
    listening, loop, ready = open_socket("127.0.0.1", 0), asyncio.new_event_loop(), threading.Event()
    runner = web.AppRunner(app, access_log=None, **settings)

    async def begin() -> None:
        await runner.setup()
        await web.SockSite(runner, listening).start()
        ready.set()

    def run() -> None:
        loop.run_until_complete(begin())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(30)

    def end() -> None:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)

    return listening.getsockname()[1], end

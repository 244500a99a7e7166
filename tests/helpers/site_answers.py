"""Requests to a server on this machine, and what it answers."""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


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

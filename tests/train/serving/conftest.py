"""The demo's page, served on loopback with tiny stages and drawn shards."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from aiohttp import web

from train.data import ShardFolder
from train.inference.cascade import Overrides, TrainedStage, load_cascade
from train.serving import AppState, Dressing, Jobs, UploadedPhotographs, make_app, open_socket, read_catalogue

Parts = dict[str, str | bytes]


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)


@dataclass
class Site:
    """A page that is served, and what it is served from."""

    port: int
    app_state: AppState

    @property
    def stages(self) -> Sequence[TrainedStage]:
        return self.app_state.dressing.stages

    @property
    def shards(self) -> ShardFolder:
        return self.app_state.catalogue.shards

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body or None, {name.replace("_", "-"): it for name, it in headers.items()})
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): it for name, it in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def send(self, parts: Parts, **headers: str) -> Answer:
        """Send a form; bytes are a photograph under a name that leads elsewhere."""
        boundary = uuid.UUID(int=7).hex
        body = b"".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode()
            + (b'; filename="../../etc/passwd"' if isinstance(value, bytes) else b"")
            + b"\r\n\r\n" + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"
            for name, value in parts.items()
        )  # fmt: skip
        body += f"--{boundary}--\r\n".encode()
        return self.ask("POST", "/api/jobs", body, Content_Type=f"multipart/form-data; boundary={boundary}", **headers)


@pytest.fixture(scope="session")
def serve(trained: Path, shards: Path) -> Iterator[Callable[..., Site]]:
    """Return what serves the page; jobs are worked off unless told otherwise."""
    ends: list[Callable[[], None]] = []

    def start(*, work: bool = True) -> Site:
        device = torch.device("cpu")
        catalogue, photographs, jobs = read_catalogue(ShardFolder(shards, "val")), UploadedPhotographs(()), Jobs()
        app_state = AppState(jobs, Dressing(load_cascade(trained, device), catalogue, photographs, Overrides(), device))
        listening = open_socket("127.0.0.1", 0)
        loop, ready = asyncio.new_event_loop(), threading.Event()
        runner = web.AppRunner(make_app(app_state, "127.0.0.1"), access_log=None)

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
        if work:
            jobs.start()

        def end() -> None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(30)
            if work:
                assert jobs.stop(60)
            photographs.close()

        ends.append(end)
        return Site(listening.getsockname()[1], app_state)

    yield start
    for end in ends:
        end()


@pytest.fixture(scope="session")
def site(serve: Callable[..., Site]) -> Site:
    """A page whose jobs are worked off."""
    return serve()

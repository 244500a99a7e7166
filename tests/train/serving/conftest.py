"""The demo's page, served on loopback with tiny stages and drawn shards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from site_answers import Answer, ask, form, serve_in_thread

from train.data import ShardFolder
from train.inference.cascade import Overrides, TrainedStage, load_cascade
from train.serving import AppState, Dressing, Jobs, UploadedPhotographs, make_app, read_catalogue

Parts = dict[str, str | bytes]


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
        return ask(self.port, method, path, body, **headers)

    def send(self, parts: Parts, **headers: str) -> Answer:
        """Send a form; bytes are a photograph under a name that leads elsewhere."""
        body = form(list(parts.items()))
        return self.ask("POST", "/api/jobs", body.data, Content_Type=body.kind, **headers)


@pytest.fixture(scope="session")
def serve(trained: Path, shards: Path) -> Iterator[Callable[..., Site]]:
    """Return what serves the page; jobs are worked off unless told otherwise."""
    ends: list[Callable[[], None]] = []

    def start(*, work: bool = True) -> Site:
        device = torch.device("cpu")
        catalogue, photographs, jobs = read_catalogue(ShardFolder(shards, "val")), UploadedPhotographs(()), Jobs()
        app_state = AppState(jobs, Dressing(load_cascade(trained, device), catalogue, photographs, Overrides(), device))
        port, end_serving = serve_in_thread(make_app(app_state, "127.0.0.1"))
        if work:
            jobs.start()

        def end() -> None:
            end_serving()
            if work:
                assert jobs.stop(60)
            photographs.close()

        ends.append(end)
        return Site(port, app_state)

    yield start
    for end in ends:
        end()


@pytest.fixture(scope="session")
def site(serve: Callable[..., Site]) -> Site:
    """A page whose jobs are worked off."""
    return serve()

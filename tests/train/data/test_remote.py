"""Shards at a URL: the same samples as in a folder, read by ranges, whatever the connection does."""

import http.server
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import fsspec
import pytest
import torch

from common.errors import UserError
from common.remote import ATTEMPTS
from schemas import AGNOSTIC, META, PERSON, PERSON_256
from train.configuration.stage_config import StageConfig
from train.data import BatchLoader, ShardFolder
from train.data.cache import SUFFIX, BlockCache
from train.data.remote import RemoteStore
from train.data.shards import open_store

TinyConfig = Callable[..., StageConfig]


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder; ``drops`` is how many of the next answers break off in their middle."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        self.drops = 0
        self.ranges = True
        self.requests: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        """The folder's URL."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        wanted = self.headers.get("Range", "")
        self.server.requests.append((path.name, wanted))
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)
        if found and self.server.ranges:
            start, end = int(found[1]), int(found[2])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(data)}")
            data = data[start : end + 1]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.server.drops > 0:
            self.server.drops -= 1
            self.close_connection = True
            data = data[: len(data) // 2]
        self.wfile.write(data)

    def log_message(self, *_told: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(shards: Path) -> Iterator[Server]:
    """Serve the drawn shards on this machine."""
    with Server(shards) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _fresh_files() -> Iterator[None]:
    """No listing or connection of fsspec's outlives a test."""
    yield
    fsspec.filesystem("http").clear_instance_cache()
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def in_memory(shards: Path) -> str:
    """Return the URL of a copy of the drawn shards in fsspec's memory."""
    memory = fsspec.filesystem("memory")
    for path in shards.iterdir():
        memory.pipe_file(f"/bucket/shards/{path.name}", path.read_bytes())
    return "memory://bucket/shards"


@pytest.mark.parametrize("stage", ["base", "sr1024"])
def test_batches_are_those_of_the_folder(
    shards: Path, in_memory: str, server: Server, tmp_path: Path, tiny: TinyConfig, stage: str
) -> None:  # fmt: skip
    cache = BlockCache(tmp_path, 10**9)
    for location in (in_memory, server.url, f"file://{shards}"):
        for config in (tiny(stage), tiny(stage, "data.threads=4")):
            here = BatchLoader(ShardFolder(shards, "train"), config).batches(0)
            there = BatchLoader(ShardFolder(location, "train", cache=cache), config).batches(0)
            for a, b in islice(zip(here, there, strict=True), 5):
                assert torch.equal(a.x, b.x)
                assert (a.Ia is b.Ia is None) or (a.Ia is not None and b.Ia is not None and torch.equal(a.Ia, b.Ia))


def test_one_request_brings_what_a_try_on_stage_needs_and_the_cache_spares_the_next(
    server: Server, tmp_path: Path
) -> None:  # fmt: skip
    data = ShardFolder(server.url, "train", cache=BlockCache(tmp_path, 10**9))
    server.requests.clear()
    first = [data.read(0, PERSON_256, AGNOSTIC), data.read(0, META)]
    assert len(server.requests) == 1
    assert server.requests[0][1].startswith("bytes=")
    assert sum(path.stat().st_size for path in tmp_path.glob(f"*{SUFFIX}")) < 100_000
    data.read(0, PERSON)
    assert len(server.requests) == 2
    again = ShardFolder(server.url, "train", cache=BlockCache(tmp_path, 10**9))
    server.requests.clear()
    assert [again.read(0, PERSON_256, AGNOSTIC), again.read(0, META)] == first
    assert not server.requests


def store(url: str, waits: list[float]) -> RemoteStore:
    return RemoteStore(url, None, waits.append)


@pytest.mark.parametrize("drops", [1, ATTEMPTS - 1])
def test_a_connection_that_breaks_is_made_again(server: Server, shards: Path, drops: int) -> None:
    entry = ShardFolder(shards, "train").manifest.shards[0]
    waits: list[float] = []
    server.drops = drops
    data = store(server.url, waits).block(entry, 512, 70_000)
    assert data == (shards / entry.name).read_bytes()[512 : 512 + 70_000]
    assert len(waits) == drops
    assert waits == sorted(set(waits))


def test_a_connection_that_breaks_every_time_ends_the_run_with_one_line(server: Server, shards: Path) -> None:
    entry = ShardFolder(shards, "train").manifest.shards[0]
    waits: list[float] = []
    server.drops = ATTEMPTS
    with pytest.raises(UserError, match=rf"{entry.name}: cannot be read, {ATTEMPTS} attempts") as caught:
        store(server.url, waits).block(entry, 512, 70_000)
    assert "\n" not in str(caught.value)
    assert len(waits) == ATTEMPTS - 1


def test_a_server_that_ignores_the_range_gives_no_wrong_bytes(server: Server, shards: Path) -> None:
    entry = ShardFolder(shards, "train").manifest.shards[0]
    server.ranges = False
    with pytest.raises(UserError, match="cannot be read"):
        store(server.url, []).block(entry, 512, 70_000)


def test_a_shard_that_is_gone_is_one_line(in_memory: str) -> None:
    data = ShardFolder(in_memory, "train")
    memory = fsspec.filesystem("memory")
    memory.rm("/bucket/shards", recursive=True)
    with pytest.raises(UserError, match=r"memory://bucket/shards/train-000000.tar: No such file"):
        data.read(0, PERSON)
    with pytest.raises(UserError, match=r"no manifest.json in it; copy there what prep"):
        ShardFolder(in_memory, "train")


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("pipe:cat shards.tar", "commands are not run"),
        ("simplecache::pipe:cat shards.tar", "commands are not run"),
        (Path("pipe:cat shards.tar"), "commands are not run"),
        ("nonsense://bucket", "Protocol not known"),
    ],
)
def test_what_is_no_folder_is_refused(location: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        open_store(location, None)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(url: str, **_options: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(UserError, match="s3:// needs a package that is not installed; pip install s3fs"):
        open_store("s3://bucket/shards", None)

"""Shards at a URL: the same samples as in a folder, read by ranges and cached."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import fsspec
import pytest
import torch
from http_server import HttpServer, running_http

from common.errors import UserError
from schemas import AGNOSTIC, META, PERSON, PERSON_256
from train.configuration.stage_config import StageConfig
from train.data import BatchLoader, ShardFolder
from train.data.cache import SUFFIX, BlockCache

TinyConfig = Callable[..., StageConfig]


@pytest.fixture
def server(shards: Path) -> Iterator[HttpServer]:
    """Serve the drawn shards on this machine."""
    with running_http(shards) as running:
        yield running


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
def test_batches_equal_the_folders(
    shards: Path, in_memory: str, server: HttpServer, tmp_path: Path, tiny: TinyConfig, stage: str
) -> None:  # fmt: skip
    cache = BlockCache(tmp_path, 10**9)
    for location in (in_memory, server.url, f"file://{shards}"):
        for config in (tiny(stage), tiny(stage, "data.threads=4")):
            here = BatchLoader(ShardFolder(shards, "train"), config).batches(0)
            there = BatchLoader(ShardFolder(location, "train", cache=cache), config).batches(0)
            for a, b in islice(zip(here, there, strict=True), 5):
                assert torch.equal(a.x, b.x)
                assert (a.Ia is b.Ia is None) or (a.Ia is not None and b.Ia is not None and torch.equal(a.Ia, b.Ia))


def test_a_sample_takes_one_request_and_none_once_cached(
    server: HttpServer, tmp_path: Path
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


def test_a_missing_shard_is_a_user_error(in_memory: str) -> None:
    data = ShardFolder(in_memory, "train")
    memory = fsspec.filesystem("memory")
    memory.rm("/bucket/shards", recursive=True)
    with pytest.raises(UserError, match=r"memory://bucket/shards/train-000000.tar: No such file"):
        data.read(0, PERSON)
    with pytest.raises(UserError, match=r"no manifest.json in it; copy the output of prep"):
        ShardFolder(in_memory, "train")

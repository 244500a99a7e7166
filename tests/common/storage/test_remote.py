"""A storage at a URL: whole files and ranges, whatever the connection does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from http_server import HttpServer, running_http

from common.errors import UserError
from common.storage import open_storage
from common.storage.connection import ATTEMPTS
from common.storage.remote import RemoteStorage

NAME = "train-000000.tar"
DATA = bytes(range(256)) * 400


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HttpServer]:
    """Serve a folder with one file on this machine."""
    (tmp_path / NAME).write_bytes(DATA)
    with running_http(tmp_path) as running:
        yield running


@pytest.fixture(autouse=True)
def _fresh_files() -> Iterator[None]:
    """No listing or connection of fsspec's outlives a test."""
    yield
    fsspec.filesystem("http").clear_instance_cache()


def test_files_are_read_whole_and_by_ranges(server: HttpServer) -> None:
    storage = open_storage(f"{server.url}/", "--shards")
    assert (str(storage), storage.where(NAME)) == (server.url, f"{server.url}/{NAME}")
    assert storage.size(NAME) == len(DATA)
    assert storage.read(NAME) == DATA
    assert storage.read_range(NAME, 512, 70_000) == DATA[512 : 512 + 70_000]
    with pytest.raises(FileNotFoundError, match=NAME[:-4]):
        storage.read(NAME.replace(".tar", ".index.json"))


@pytest.mark.parametrize("drops", [1, ATTEMPTS - 1])
def test_a_broken_connection_is_retried(server: HttpServer, drops: int) -> None:
    waits: list[float] = []
    server.drops = drops
    data = RemoteStorage(server.url, "--shards", waits.append).read_range(NAME, 512, 70_000)
    assert data == DATA[512 : 512 + 70_000]
    assert len(waits) == drops
    assert waits == sorted(set(waits))


def test_a_connection_that_keeps_breaking_raises_a_one_line_error(server: HttpServer) -> None:
    waits: list[float] = []
    server.drops = ATTEMPTS
    with pytest.raises(UserError, match=rf"{NAME}: cannot be read, {ATTEMPTS} attempts") as caught:
        RemoteStorage(server.url, "--shards", waits.append).read_range(NAME, 512, 70_000)
    assert "\n" not in str(caught.value)
    assert len(waits) == ATTEMPTS - 1


def test_a_server_that_ignores_ranges_returns_no_wrong_bytes(server: HttpServer) -> None:
    server.ranges = False
    with pytest.raises(UserError, match="cannot be read"):
        RemoteStorage(server.url, "--shards", lambda _: None).read_range(NAME, 512, 70_000)


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("pipe:cat shards.tar", "commands are not run"),
        ("simplecache::pipe:cat shards.tar", "commands are not run"),
        (Path("pipe:cat shards.tar"), "commands are not run"),
        ("nonsense://bucket", "Protocol not known"),
    ],
)
def test_urls_that_are_not_folders_are_refused(location: Path | str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        open_storage(location, "--shards")


@pytest.mark.parametrize("option", ["--shards", "--out"])
def test_a_missing_package_is_named(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(url: str, **_options: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(UserError, match=rf"{option} s3://bucket/shards: s3:// needs a package .*; pip install s3fs"):
        open_storage("s3://bucket/shards", option)

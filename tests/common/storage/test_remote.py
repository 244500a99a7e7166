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


def test_a_whole_file_takes_a_single_request(server: HttpServer) -> None:
    storage = RemoteStorage(server.url, "--shards")
    assert storage.read(NAME) == DATA
    with storage.open(NAME) as file:
        assert file.read() == DATA
    assert server.requests == [(NAME, ""), (NAME, "")]


def test_a_whole_file_that_breaks_off_is_read_again(server: HttpServer) -> None:
    storage = RemoteStorage(server.url, "--shards", lambda _: None)
    server.drops = 1
    assert storage.read(NAME) == DATA
    server.drops = 1
    with storage.open(NAME) as file:
        assert file.read() == DATA


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the developer's environment says of proxies is forgotten."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.usefixtures("no_proxy")
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
def test_the_proxy_of_the_environment_is_used(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, server.url)
    storage = RemoteStorage("http://shards.example", "--shards", lambda _: None)
    assert storage.read(NAME) == DATA
    assert storage.read_range(NAME, 512, 1000) == DATA[512:1512]
    assert (storage.is_file(NAME), storage.is_file("missing.tar"), storage.size(NAME)) == (True, False, len(DATA))


@pytest.mark.usefixtures("no_proxy")
def test_a_host_in_no_proxy_is_reached_without_one(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="cannot be read, 5 attempts"):
        RemoteStorage(server.url, "--shards", lambda _: None).read(NAME)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    fsspec.filesystem("http").clear_instance_cache()
    assert RemoteStorage(server.url, "--shards").read(NAME) == DATA


@pytest.mark.usefixtures("no_proxy")
@pytest.mark.parametrize("method", ["read", "open", "size", "is_file"])
def test_a_server_that_does_not_answer_is_no_missing_file(method: str) -> None:
    storage = RemoteStorage("http://127.0.0.1:9", "--shards", lambda _: None)
    with pytest.raises(UserError, match=rf"{NAME}: cannot be read, {ATTEMPTS} attempts, the last one: Client"):
        getattr(storage, method)(NAME)


@pytest.mark.parametrize("status", [401, 403, 500, 503])
@pytest.mark.parametrize("method", ["read", "open", "size", "is_file"])
def test_a_server_that_refuses_is_no_missing_file(server: HttpServer, method: str, status: int) -> None:
    server.status = status
    with pytest.raises(UserError, match=rf"{NAME}: cannot be read.*{status}"):
        getattr(RemoteStorage(server.url, "--shards", lambda _: None), method)(NAME)


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

"""A table's web servers that do not answer: few files are waited for, and none at a server that works."""

from __future__ import annotations

import pickle
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_server import HttpServer, running_http
from pair_tables import opened_table, written

from common.storage import connection
from preprocess.faults import Fault, RecordError
from preprocess.sources import Files
from preprocess.sources.tables.web_servers import SERVERS, WebServers


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HttpServer]:
    (tmp_path / "web").mkdir()
    (tmp_path / "web/a.jpg").write_bytes(b"an image")
    with running_http(tmp_path / "web") as running:
        yield running


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make one attempt for each file, without waiting."""
    monkeypatch.setattr(connection, "ATTEMPTS", 1)


def files_of(tmp_path: Path) -> Files:
    return opened_table(written(tmp_path / "t.csv", [{"person": "a.jpg", "garment": "b.jpg"}]), tmp_path).files


def refusal(files: Files, url: str) -> str:
    with pytest.raises(RecordError) as refused:
        files.read(url)
    assert refused.value.reason is Fault.UNREADABLE_FILE
    return str(refused.value)


def test_a_server_that_never_answers_is_given_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:  # bound, and not listening: connections are refused
        closed.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{closed.getsockname()[1]}"
        files = files_of(tmp_path)
        for number in range(3):
            assert "1 attempts, the last one" in refusal(files, f"http://{server}/{number}.jpg")
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"prep: {server} has never answered and is not asked again; its files are rejected (")
        for number in range(3, 30):
            assert "its server has never answered; check the URL" in refusal(files, f"http://{server}/{number}.jpg")
        assert not capsys.readouterr().err


def test_what_one_process_knows_of_servers_goes_with_the_files(tmp_path: Path) -> None:
    """And what it learns later stays, though each task brings the files anew."""
    known, url = WebServers(), "https://gone.example/a.jpg"
    for _ in range(3):
        known.is_silent(url, "no route")
    assert pickle.loads(pickle.dumps(known)) is SERVERS
    assert SERVERS.is_out_of_reach(url)
    files = files_of(tmp_path)
    assert "never answered" in refusal(pickle.loads(pickle.dumps(files)), url)
    SERVERS.answers(url)
    assert not SERVERS.is_out_of_reach(url)
    SERVERS.join(set(), Counter({"gone.example": 3}))
    assert not SERVERS.is_out_of_reach(url)


@pytest.mark.parametrize("status", [0, 404, 500])
def test_a_server_that_has_answered_is_asked_again(status: int, server: HttpServer, tmp_path: Path) -> None:
    """Whatever it said."""
    files = files_of(tmp_path)
    server.status = status
    if status:
        refusal(files, f"{server.url}/a.jpg")
    else:
        assert files.read(f"{server.url}/a.jpg") == b"an image"
    server.status, asked = 0, len(server.requests)
    for _ in range(5):
        server.drops = 1
        refusal(files, f"{server.url}/a.jpg")
    assert len(server.requests) == asked + 5
    assert files.read(f"{server.url}/a.jpg") == b"an image"


def test_a_refusal_that_does_not_pass_is_not_repeated(
    server: HttpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ATTEMPTS", 5)
    server.status = 403
    assert "check the URL and the permissions" in refusal(files_of(tmp_path), f"{server.url}/a.jpg")
    assert len(server.requests) == 1

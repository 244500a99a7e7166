"""A table's web servers that do not answer: few files are waited for, and none at a server that works."""

from __future__ import annotations

import http.server
import pickle
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_server import HttpServer, running_http
from pair_tables import opened_table, written

from common.storage import connection
from preprocess.faults import Fault, RecordError
from preprocess.sources import Files
from preprocess.sources.tables.table_files import TableFiles
from preprocess.sources.tables.web_servers import WebServers


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


def files_of(tmp_path: Path) -> TableFiles:
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
        assert line.startswith(
            f"prep: {server} has never answered and is asked once a minute; its files are rejected ("
        )
        for number in range(3, 30):
            assert "its server has never answered; check the URL" in refusal(files, f"http://{server}/{number}.jpg")
        assert not capsys.readouterr().err


URL = "https://gone.example/a.jpg"


class Clock:
    """A clock that stands until it is set."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def given_up(clock: Clock) -> WebServers:
    known = WebServers(clock)
    for _ in range(3):
        known.is_silent(URL, "no route")
    return known


def test_a_server_out_of_reach_is_asked_once_a_minute() -> None:
    clock = Clock()
    known = given_up(clock)
    for _ in range(3):
        clock.now += 59
        assert known.is_out_of_reach(URL)
        clock.now += 2
        assert not known.is_out_of_reach(URL)
        known.is_silent(URL, "no route")
        assert known.is_out_of_reach(URL)
    known.answers(URL)
    assert not known.is_out_of_reach(URL)


def test_what_one_process_knows_of_servers_goes_with_the_files(tmp_path: Path) -> None:
    """And what it learns later stays, though each task brings the files anew; other tables know nothing of it."""
    files = files_of(tmp_path)
    before = pickle.dumps(files)
    for _ in range(3):
        files._servers.is_silent(URL, "no route")
    there = pickle.loads(pickle.dumps(files))
    assert "never answered" in refusal(there, URL)
    again = pickle.loads(before)
    assert again._servers is there._servers is not files._servers
    assert again._servers.is_out_of_reach(URL)
    again._servers.answers(URL)
    assert not pickle.loads(pickle.dumps(files))._servers.is_out_of_reach(URL)
    assert not files_of(tmp_path)._servers.is_out_of_reach(URL)


def test_a_task_that_is_brought_again_does_not_lengthen_the_wait() -> None:
    _, (_, known) = given_up(Clock()).__reduce__()
    clock = Clock()
    clock.now = 50.0  # another machine's
    there = WebServers(clock)
    there.join(known)
    assert there.is_out_of_reach(URL)
    clock.now += 61
    there.join(known)
    assert not there.is_out_of_reach(URL)


class _Odd(http.server.BaseHTTPRequestHandler):
    """Answers in ways that are of no use, but for /good.jpg."""

    def do_GET(self) -> None:
        if self.path == "/good.jpg":
            self._answer(200, {"Content-Length": "2"}, b"OK")
        elif self.path.startswith("/loop"):
            self._answer(302, {"Location": self.path})
        elif self.path.startswith("/dead"):
            self._answer(302, {"Location": "http://127.0.0.1:1/x"})
        else:
            self._answer(200, {"Content-Length": "100"}, b"abc")

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_told: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("kind", ["loop", "dead", "short"])
def test_a_useless_answer_is_an_answer(kind: str, tmp_path: Path) -> None:
    files = files_of(tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Odd) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        url = f"http://127.0.0.1:{server.server_port}"
        for number in range(4):
            assert "1 attempts, the last one" in refusal(files, f"{url}/{kind}{number}.jpg")
        assert files.read(f"{url}/good.jpg") == b"OK"
        server.shutdown()


MALFORMED = ("http://[abc/x.jpg", "https://a]b/x.jpg", "http:///x.jpg", "http://a.b:port/x.jpg", "http://a:99999/x.jpg")


@pytest.mark.parametrize("url", MALFORMED)
def test_a_malformed_url_costs_its_row_alone(url: str, tmp_path: Path) -> None:
    rows = [{"person": "a.jpg", "garment": url}, {"person": "a.jpg", "garment": "b.jpg"}]
    data = opened_table(written(tmp_path / "t.csv", rows), tmp_path)
    assert len(data.rows) == 1
    assert data.left_out == {"bad-pair": 1}
    assert "malformed URL" in data.found.examples[Fault.BAD_PAIR][0]
    assert "malformed URL" in refusal(data.files, url)


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

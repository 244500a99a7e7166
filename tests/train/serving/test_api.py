"""The HTTP interface: what is answered, what is refused, and that nothing sent outlives its request."""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from labels_by_hand import Wardrobe
from PIL import Image
from site_answers import Answer, Body, ask, form, serve_in_thread

from common.errors import UserError
from train.cli.serve import serve as serve_command
from train.diffusion.samplers import OnStep
from train.inference.cascade import Overrides, load_cascade
from train.inference.outfits.photographs import Prep, PrepError
from train.inference.outfits.wearing import TryOnRequest
from train.inference.tryon import TryOnCascade
from train.serving.api import HEALTH, OPENAPI, TRY_ON, ApiLimits, ApiState, make_api, openapi
from train.serving.forms import FormLimits
from train.serving.guard import is_loopback
from train.serving.jobs import Jobs, Photograph, Result
from train.serving.making import PhotographMaker

TOKEN = "correct horse battery staple"


def bomb() -> bytes:
    """Return a small PNG of 200 million pixels."""
    buffer = io.BytesIO()
    Image.new("1", (20_000, 10_000)).save(buffer, "PNG")
    return buffer.getvalue()


def png(side: int = 8, colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(buffer, "PNG")
    return buffer.getvalue()


@dataclass
class Maker:
    """Makes a photograph at once, or only when it is let go."""

    wait: bool = False

    def __post_init__(self) -> None:
        self.asked: list[tuple[list[str], list[Any], int]] = []
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(
        self, request: TryOnRequest, seed: int, folder: Path, check: Callable[[], None], on_step: OnStep
    ) -> Result:
        names = [path.name for path in (request.person, *request.garments)]
        assert all(path.parent == folder and path.is_file() for path in (request.person, *request.garments))
        self.asked.append((names, list(request.kinds), seed))
        self.begun.set()
        while self.wait and not self.go.wait(0.01):
            on_step(0, 1)
        if seed == 422:
            raise UserError(f"{request.person}: the photograph of the person cannot be used: no-person")
        if seed == 503:
            raise PrepError(2, "prep: weights are missing; put them there")
        if seed == 500:
            raise ZeroDivisionError
        return Result({}, {"kind": "upper"}, Photograph(png(32), (32, 32)))


@dataclass
class Served:
    port: int
    state: ApiState
    maker: Maker

    def post(self, *parts: tuple[str, bytes | str], **headers: str) -> Answer:
        body = form(parts)
        return ask(self.port, "POST", TRY_ON, body.data, Content_Type=body.kind, **headers)

    def left(self) -> list[Path]:
        """What is left of uploads, once the last request has been cleared away."""
        for _ in range(500):
            if not (left := list(self.state.folder.iterdir())):
                break
            time.sleep(0.01)
        return left


Serve = Callable[..., Served]
PERSON, TOP = ("person", png()), ("garment", png(9))


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start the interface: (limits, token, most waiting, whether jobs wait to be let go)."""
    ends: list[Callable[[], None]] = []

    def start(limits: ApiLimits | None = None, token: str = "", queue: int = 8, wait: bool = False) -> Served:
        maker, jobs = Maker(wait), Jobs(queue)
        state = ApiState(jobs, maker, {"base": 64}, limits or ApiLimits())
        app = make_api(state, "127.0.0.1", token)
        port, end_serving = serve_in_thread(app, handler_cancellation=True, shutdown_timeout=1)
        jobs.start()

        def end() -> None:
            maker.go.set()
            assert jobs.stop(30)
            end_serving()
            state.close()

        ends.append(end)
        return Served(port, state, maker)

    yield start
    for end in ends:
        end()


def test_photographs_become_a_photograph_and_are_deleted(serve: Serve) -> None:
    served = serve()
    answer = served.post(PERSON, TOP, ("garment", png(7)), ("kind", "upper"), ("kind", ""), ("seed", "3"))
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    assert (answer.headers["x-image-size"], answer.headers["x-garment-kinds"]) == ("32x32", "upper")
    assert Image.open(io.BytesIO(answer.body)).size == (32, 32)
    assert served.maker.asked == [(["person1.png", "garment1.png", "garment2.png"], ["upper", None], 3)]
    assert not served.left()
    assert served.state.jobs._jobs == {}
    health = ask(served.port, "GET", HEALTH).said
    assert (health["status"], health["waiting"], health["running"], health["stages"]) == ("ok", 0, 0, {"base": 64})


@pytest.mark.parametrize(
    ("parts", "status", "said"),
    [
        ([TOP], 400, "one photograph as `person`"), ([PERSON, PERSON, TOP], 400, "one photograph as `person`"),
        ([PERSON], 400, "as `garment`"), ([PERSON, *[TOP] * 4], 400, "one to 3"),
        ([PERSON, TOP, ("kind", "hat")], 400, "upper, lower, dress"), ([PERSON, TOP, ("seed", "1e3")], 400, "seed"),
        ([PERSON, TOP, ("colour", "red")], 400, "unknown field 'colour'"),
        ([PERSON, TOP, TOP, ("kind", "upper")], 400, "1 kind for 2 garments"),
        ([("person", b"no picture"), TOP], 400, "send a JPEG"), ([("person", b""), TOP], 400, "send a JPEG"),
        ([("person", png(400)), TOP], 400, "million pixels"),
        ([("person", bomb()), TOP], 400, "too many pixels"),
        ([("person", b"\xff\xd8" + bytes(2**20)), TOP], 413, "too large"),
        ([PERSON, TOP, ("seed", "0" * 100)], 413, "64 bytes per field"),
        ([PERSON, TOP, ("seed", "422")], 422, "person1.png: the photograph of the person cannot be used"),
        ([PERSON, TOP, ("seed", "500")], 500, "internal error"), ([PERSON, TOP, ("seed", "503")], 503, "weights"),
        ([("seed", "0")] * 100_000, 413, "too many parts; the maximum is 12"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_in_words(
    serve: Serve, parts: list[tuple[str, bytes | str]], status: int, said: str
) -> None:
    served = serve(ApiLimits(form=FormLimits(bytes=2**20, pixels=100_000)))
    answer = served.post(*parts)
    assert (answer.status, said in answer.said["error"]) == (status, True), answer.said
    assert str(served.state.folder) not in answer.said["error"]
    assert not served.left()
    assert served.post(PERSON, TOP).status == 200


@pytest.mark.parametrize(
    "body",
    [
        Body(b"{}", "application/json"),
        Body(b"x", "multipart/form-data"),
        Body(b"", "multipart/form-data; boundary=b"),
        Body(b"--b\r\nno header\r\n\r\nx\r\n--b--\r\n", "multipart/form-data; boundary=b"),
        Body(b"--b\r\n" + b"X: y\r\n" * 500 + b"\r\nx\r\n--b--\r\n", "multipart/form-data; boundary=b"),
        Body(b"--b\r\n" + b"X" * 100_000, "multipart/form-data; boundary=b"),
        Body(b"--b\r\nContent-Disposition: form-data; name=person\r\n\r\nhalf", "multipart/form-data; boundary=b"),
        Body(b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n--c--\r\n--b--\r\n",
             "multipart/form-data; boundary=b"),
    ],
)  # fmt: skip
def test_broken_forms_are_refused(serve: Serve, body: Body) -> None:
    served = serve()
    answer = ask(served.port, "POST", TRY_ON, body.data, Content_Type=body.kind)
    assert answer.status in (400, 415), answer
    assert not served.left()
    assert served.post(PERSON, TOP).status == 200


def test_a_form_that_is_not_compressed_as_it_says_is_the_senders_mistake(serve: Serve) -> None:
    served = serve()
    answer = ask(
        served.port, "POST", TRY_ON, b"no gzip", Content_Type="multipart/form-data; boundary=b", Content_Encoding="gzip"
    )
    assert (answer.status, answer.said) == (400, {"error": "malformed form data"})
    assert not served.left()


def test_a_token_is_asked_for_but_not_by_health(serve: Serve) -> None:
    served = serve(token=TOKEN)
    assert served.post(PERSON, TOP).status == 401
    for wrong in (f"Bearer {TOKEN}x", "Bearer ", f"Basic {TOKEN}", TOKEN, "Bearer \xe4"):
        answer = served.post(PERSON, TOP, Authorization=wrong)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    # With a token neither the name nor the page that asks matters.
    assert served.post(PERSON, TOP, Authorization=f"Bearer {TOKEN}", Host="shop.example").status == 200
    assert ask(served.port, "GET", HEALTH).status == ask(served.port, "GET", OPENAPI).status == 200
    assert ask(served.port, "GET", "/v1/other").status == 401
    assert len(served.maker.asked) == 1


def test_without_a_token_foreign_names_and_pages_are_refused(serve: Serve) -> None:
    served = serve()
    assert served.post(PERSON, TOP, Host="evil.example").status == 421
    assert served.post(PERSON, TOP, Origin="http://evil.example").status == 403
    assert (is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")) == (True, True, False)


def test_a_full_queue_is_said_at_once(serve: Serve) -> None:
    served = serve(queue=1, wait=True)
    answers: list[Answer] = []
    threads = [threading.Thread(target=lambda: answers.append(served.post(PERSON, TOP))) for _ in range(2)]
    threads[0].start()
    assert served.maker.begun.wait(30)
    threads[1].start()
    for _ in range(1000):
        if served.state.jobs.is_full:
            break
        time.sleep(0.01)
    full = served.post(PERSON, TOP)
    assert (full.status, full.headers["retry-after"]) == (503, "5")
    assert ask(served.port, "GET", HEALTH).said["waiting"] == 1
    served.maker.go.set()
    for thread in threads:
        thread.join(30)
    assert [answer.status for answer in answers] == [200, 200]


def test_what_takes_too_long_is_given_up(serve: Serve) -> None:
    served = serve(ApiLimits(seconds=0.2), wait=True)
    assert served.post(PERSON, TOP).status == 504
    assert served.state.jobs.load() == (0, 0)
    assert not served.left()


def test_a_form_that_arrives_too_slowly_is_given_up(serve: Serve) -> None:
    served = serve(ApiLimits(form=FormLimits(seconds=0.3), uploads=1))
    body = form([PERSON, TOP])
    with socket.create_connection(("127.0.0.1", served.port)) as slow:
        slow.sendall(head(body, len(body.data)) + body.data[:50])
        while not served.state.uploading:
            time.sleep(0.01)
        busy = served.post(PERSON, TOP)
        assert (busy.status, "try again" in busy.said["error"]) == (503, True)
        slow.settimeout(30)
        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")
    assert not served.left()
    assert served.post(PERSON, TOP).status == 200


def head(body: Body, length: int) -> bytes:
    lines = (f"POST {TRY_ON} HTTP/1.1", "Host: localhost", f"Content-Type: {body.kind}", f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize("first", [True, False])
def test_a_job_ends_with_its_sender(serve: Serve, first: bool) -> None:
    """Whether it runs or waits."""
    served = serve(wait=True)
    body = form([PERSON, TOP])
    other = threading.Thread(target=lambda: served.post(PERSON, TOP))
    if not first:
        other.start()
        assert served.maker.begun.wait(30)
    with socket.create_connection(("127.0.0.1", served.port)) as leaving:
        leaving.sendall(head(body, len(body.data)) + body.data)
        for _ in range(1000):
            if served.state.jobs.load() == ((0, 1) if first else (1, 1)):
                break
            time.sleep(0.01)
    for _ in range(1000):
        if served.state.jobs.load() == ((0, 0) if first else (0, 1)):
            break
        time.sleep(0.01)
    assert served.state.jobs.load() == ((0, 0) if first else (0, 1))
    served.maker.go.set()
    if not first:
        other.join(30)
    assert not served.left()
    assert len(served.maker.asked) == 1


def test_who_does_not_take_the_answer_is_cut_off(serve: Serve) -> None:
    served = serve(ApiLimits(chunk_seconds=0.3))
    large = Result({}, {}, Photograph(bytes(64 * 2**20), (1, 1)))
    served.state.make = lambda *_: large
    body = form([PERSON, TOP])
    with socket.create_connection(("127.0.0.1", served.port)) as idle:
        idle.sendall(head(body, len(body.data)) + body.data)
        assert idle.recv(15) == b"HTTP/1.1 200 OK"
        assert not served.left()
        time.sleep(1)
        idle.settimeout(30)
        received = 0
        with suppress(ConnectionError):
            while chunk := idle.recv(2**20):
                received += len(chunk)
        assert received < 64 * 2**20


def test_the_openapi_file_describes_what_is_there(serve: Serve) -> None:
    served = serve()
    described = ask(served.port, "GET", OPENAPI).said
    assert described == openapi()
    app = make_api(replace(served.state), "127.0.0.1")
    routes = {
        (route.method.lower(), route.resource.canonical)
        for route in app.router.routes() if route.resource and route.method != "HEAD"
    }  # fmt: skip
    assert routes == {(method, path) for path, methods in described["paths"].items() for method in methods}
    post = described["paths"][TRY_ON]["post"]
    parts = post["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert parts.keys() == {"person", "garment", "kind", "seed"}
    assert parts["garment"]["maxItems"] == ApiLimits().garments
    text = json.dumps(described)
    for reference in [part.split('"')[0] for part in text.split('"$ref": "#/')[1:]]:
        found = described
        for name in reference.split("/"):
            found = found[name]
    assert set(ask(served.port, "GET", HEALTH).said) == set(
        described["paths"][HEALTH]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["required"]
    )


def test_the_command_prints_its_address_and_stops_on_interrupt(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    command = [sys.executable, "-m", "train", "serve", "--runs", str(trained), "--port", "0"]
    command += ["--token-file", str(tmp_path / "token")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout
        assert running.stderr
        url = running.stdout.readline().split()[0]
        port = int(url.rpartition(":")[2].partition("/")[0])
        assert ask(port, "GET", HEALTH).said["stages"] == {"base": 64, "sr256": 128, "sr1024": 256}
        assert ask(port, "POST", TRY_ON).status == 401
        with socket.create_connection(("127.0.0.1", port), timeout=30) as other:
            other.sendall(b"no request\r\n\r\n")
            assert other.recv(100).startswith(b"HTTP/1.0 400")
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 0
        assert "Traceback" not in running.stderr.read()  # else anybody could fill the log


def test_a_server_does_not_start_with_weights_that_are_not_there(trained: Path, tmp_path: Path) -> None:
    words = ["--runs", str(trained), "--port", "0", "--weights", str(tmp_path / "none")]
    with pytest.raises(UserError, match=r"--weights .*none: no such file or folder"):
        serve_command(words, standalone_mode=False)


def test_a_token_that_can_be_guessed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("1234")
    with pytest.raises(UserError, match="at least 16 characters"):
        serve_command(["--token-file", str(tmp_path / "token")], standalone_mode=False)
    with pytest.raises(UserError, match="none: No such file"):
        serve_command(["--token-file", str(tmp_path / "none")], standalone_mode=False)
    monkeypatch.setenv("TRYON_TOKEN", "short")
    with pytest.raises(UserError, match=r"^\$TRYON_TOKEN: "):
        serve_command([], standalone_mode=False)


def test_an_image_is_that_of_the_cascade(shards: Path, trained: Path, serve: Serve) -> None:
    """The true cascade behind the interface: the sender gets what `try_on_png` gives."""
    wardrobe = Wardrobe.of(shards.parent / "aihub")
    stages = load_cascade(trained, torch.device("cpu"))
    served = serve()
    served.state.make = PhotographMaker(stages, Prep(quiet=True), Overrides(), torch.device("cpu"))
    photographs = (("person", wardrobe.person.image.read_bytes()), ("garment", wardrobe.top.image.read_bytes()))
    with pytest.MonkeyPatch.context() as patch:
        wardrobe.recognise(patch)
        answer = served.post(*photographs)
        expected = TryOnCascade(stages, torch.device("cpu")).try_on(wardrobe.person.image, wardrobe.top.image)
    assert (answer.status, answer.headers["x-garment-kinds"]) == (200, "upper")
    with Image.open(io.BytesIO(answer.body)) as image:
        # Another thread sums in another order, which a loaded machine has shown as up to two levels in a few pixels.
        assert np.abs(np.asarray(image, np.int16) - np.asarray(expected, np.int16)).mean() < 0.1
        assert image.text["person"] == "person1.jpg"  # type: ignore[attr-defined]
    assert not served.left()

"""The demo's server: what is offered, pictures as `trainer sample` makes them, and who and what is refused."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from common.errors import UserError
from train.cli.demo import demo_command
from train.inference.cascade import Overrides
from train.inference.pair_selection import Pair
from train.inference.pasting.source_images import SourceImages
from train.inference.sampling import provenance, sample_pairs
from train.serving import open_socket
from train.serving.catalogue import MAX_OFFERED
from train.serving.dressing import DressingRequest
from train.serving.guard import is_own_name
from train.serving.jobs import MAX_WAITING, JobCancelledError
from train.serving.uploads import LIMITS

Serve = Callable[..., Any]


def jpeg(width: int = 8) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, 8)).save(buffer, "JPEG")
    return buffer.getvalue()


def offered(site: Any) -> tuple[str, str]:
    """Return a person and a garment of tops that differ."""
    tops = site.ask("GET", "/api/catalogue").said["kinds"]["upper"]
    return str(tops["person"][0]["id"]), str(tops["garment"][1]["id"])


def wait_for(site: Any, name: str) -> Any:
    for _ in range(10_000):
        said = site.ask("GET", f"/api/jobs/{name}").said
        if said["state"] not in ("waiting", "running"):
            return said
        time.sleep(0.01)
    raise AssertionError("no picture came")


def test_an_image_equals_that_of_trainer_sample(site: Any, tmp_path: Path) -> None:
    person, garment = offered(site)
    answer = site.send({"kind": "upper", "person": person, "garment": garment, "seed": "3"})
    assert answer.status == 202
    said = wait_for(site, answer.said["id"])
    assert [picture["stage"] for picture in said["pictures"]] == ["base", "sr256", "sr1024"]
    sample_pairs(
        site.stages, site.shards, [Pair(int(person), int(garment))], tmp_path, seed=3, overrides=Overrides(),
        device=torch.device("cpu"), progress=lambda done, total: None,
    )  # fmt: skip
    expected = next(path for path in tmp_path.glob("*.png") if path.name != "sheet.png")
    picture = site.ask("GET", said["pictures"][-1]["url"])
    assert picture.headers["content-type"] == "image/png"
    assert picture.body == expected.read_bytes()
    keys = {"person": site.shards.keys[int(person)], "garment": site.shards.keys[int(garment)]}
    assert said["metadata"] == keys | provenance(site.stages, site.shards, 3, Overrides())
    sizes = [Image.open(io.BytesIO(site.ask("GET", one["url"]).body)).width for one in said["pictures"]]
    assert sizes == [one["size"] for one in said["pictures"]] == [64, 128, 256]


def test_the_whole_photograph_comes_with_the_square_if_its_source_is_known(site: Any, shards: Path) -> None:
    person, garment = offered(site)
    parts = {"kind": "upper", "person": person, "garment": garment}
    without = wait_for(site, site.send(parts).said["id"])
    assert "photograph" not in without
    url = without["pictures"][-1]["url"]
    assert site.ask("GET", f"{url.rpartition('/')[0]}/photograph.png").status == 404
    aihub = shards.parent / "aihub"
    dressing = replace(site.app_state.dressing, source=SourceImages(aihub))
    job = site.app_state.jobs.add(partial(dressing.dress, DressingRequest("upper", int(person), int(garment), 0)))
    said = wait_for(site, job.id)
    with Image.open(aihub / site.shards.sample(int(person)).person.path) as photograph:
        size = photograph.size
    assert (said["photograph"]["width"], said["photograph"]["height"]) == size
    with Image.open(io.BytesIO(site.ask("GET", said["photograph"]["url"]).body)) as whole:
        assert whole.size == size
        assert whole.text["seed"] == "0"  # type: ignore[attr-defined]
    assert site.ask("GET", said["pictures"][-1]["url"]).status == 200


def test_each_person_and_garment_of_the_split_is_offered_once(site: Any) -> None:
    kinds = site.ask("GET", "/api/catalogue").said["kinds"]
    samples = [site.shards.sample(position) for position in range(len(site.shards))]
    for role, name in (("person", "look"), ("garment", "item")):
        entries = kinds["upper"][role]
        assert len(entries) <= MAX_OFFERED
        fronts = [sample for sample in samples if sample.view == "front"]
        assert sorted(entry["name"] for entry in entries) == sorted({getattr(sample, name) for sample in fronts})
        for entry in entries:
            assert getattr(samples[entry["id"]], name) == entry["name"]
            picture = site.ask("GET", f"/api/{role}/{entry['id']}")
            assert Image.open(io.BytesIO(picture.body)).size == (256, 256)
            assert picture.headers["content-type"] in ("image/jpeg", "image/png")


def test_the_page_is_self_contained_without_inline_scripts(site: Any) -> None:
    page = site.ask("GET", "/")
    policy = page.headers["content-security-policy"]
    assert (page.status, page.headers["x-content-type-options"]) == (200, "nosniff")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    text = page.body.decode()
    assert "http:" not in text
    assert "https:" not in text
    assert "style=" not in text
    for part, kind in (("/demo.css", "text/css"), ("/demo.js", "text/javascript")):
        assert part in text
        assert site.ask("GET", part).headers["content-type"].startswith(kind)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::1", "192.0.2.1", ""])
def test_a_foreign_host_header_is_refused(site: Any, host: str) -> None:
    """So a page elsewhere cannot read this one by giving its own name this address."""
    assert site.ask("GET", "/api/catalogue", Host=host).status == 421


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_the_machines_own_host_names_are_accepted(site: Any, host: str) -> None:
    assert site.ask("GET", "/api/catalogue", Host=f"{host}:{site.port}").status == 200


def test_foreign_names_are_refused_when_listening_on_all_addresses() -> None:
    for named in ("192.0.2.7:8000", "[2001:db8::1]:8000", "localhost:8000", socket.gethostname()):
        assert is_own_name(named, "0.0.0.0")
    for named in ("evil.example:8000", "192.0.2.7.evil.example", ""):
        assert not is_own_name(named, "0.0.0.0")


def test_requests_of_a_foreign_origin_are_refused(site: Any) -> None:
    person, garment = offered(site)
    parts = {"kind": "upper", "person": person, "garment": garment}
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{site.port + 1}"):
        assert site.send(parts, Origin=origin).status == 403
    assert site.send(parts, Origin=f"http://127.0.0.1:{site.port}").status == 202


@pytest.mark.parametrize(
    "path",
    [
        "/api/jobs/nothing", "/api/jobs/nothing/base.png", "/api/person/999999", "/api/person/-1", "/api/person/1e3",
        "/static", "/../demo_cli.py", "/%2e%2e/demo_cli.py", "/demo.py", "/api/other/0",
    ],
)  # fmt: skip
def test_unknown_paths_are_404(site: Any, path: str) -> None:
    answer = site.ask("GET", path)
    assert answer.status == 404
    assert answer.said["error"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"kind": "hat"}, "kind of garment"), ({"kind": "lower"}, "kind of garment"), ({"person": "9999"}, "person"),
        ({"person": "../1"}, "person"), ({"garment": ""}, "garment"), ({"seed": "-1"}, "seed"),
        ({"seed": "1e9"}, "seed"),
    ],
)  # fmt: skip
def test_invalid_choices_are_refused_with_a_message(site: Any, changed: dict[str, str], said: str) -> None:
    person, garment = offered(site)
    answer = site.send({"kind": "upper", "person": person, "garment": garment, **changed})
    assert answer.status == 400
    assert said in answer.said["error"]


def test_photographs_are_checked_for_size_and_content(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site.app_state.photographs, "state", "ready")
    _, garment = offered(site)
    parts = {"kind": "upper", "garment": garment}
    large = site.send({**parts, "person_photograph": b"\xff\xd8" + bytes(LIMITS.bytes)})
    assert (large.status, "10 MB" in large.said["error"]) == (413, True)
    for data in (b"", b"no picture", b"\xff\xd8\xff\xe0 nor this", b"GIF89a" + bytes(100)):
        refused = site.send({**parts, "person_photograph": data})
        assert refused.status == 400, data
        assert "send a JPEG" in refused.said["error"]
    many = site.send({**parts, "person": "0" * 1000})
    assert many.status == 413


def test_photographs_are_refused_while_uploads_are_off(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site.app_state.photographs, "state", "off")
    monkeypatch.setattr(site.app_state.photographs, "why", "weights are missing")
    _, garment = offered(site)
    answer = site.send({"kind": "upper", "garment": garment, "person_photograph": jpeg()})
    assert answer.status == 400
    assert "weights are missing" in answer.said["error"]
    assert site.ask("GET", "/api/catalogue").said["uploads"]["why"] == "weights are missing"


def test_malformed_forms_are_refused(site: Any) -> None:
    assert site.ask("POST", "/api/jobs", b"{}", Content_Type="application/json").status == 415
    assert site.ask("POST", "/api/jobs", b"x", Content_Type="multipart/form-data").status == 400
    assert site.ask("PUT", "/api/jobs", b"x").status == 405


def test_a_full_queue_is_reported_and_waiting_jobs_can_be_cancelled(serve: Serve) -> None:
    site = serve(work=False)
    person, garment = offered(site)
    parts = {"kind": "upper", "person": person, "garment": garment}
    names = [site.send(parts).said["id"] for _ in range(MAX_WAITING)]
    full = site.send(parts)
    assert (full.status, "already waiting" in full.said["error"]) == (503, True)
    assert [site.ask("GET", f"/api/jobs/{name}").said["place"] for name in names] == list(range(MAX_WAITING))
    assert site.ask("DELETE", f"/api/jobs/{names[0]}").said == {"state": "cancelled"}
    assert site.ask("GET", f"/api/jobs/{names[0]}").said["state"] == "cancelled"
    assert site.ask("DELETE", f"/api/jobs/{names[0]}").status == 409
    assert site.ask("GET", f"/api/jobs/{names[1]}/base.png").status == 404
    assert site.send(parts).status == 202


def test_a_job_is_cancelled_between_two_evaluations(site: Any) -> None:
    person, garment = map(int, offered(site))
    asked: list[tuple[int, int]] = []

    def on_step(step: int, steps: int) -> None:
        asked.append((step, steps))
        if len(asked) == 3:
            raise JobCancelledError

    choice, dressing, jobs = DressingRequest("upper", person, garment, 0), site.app_state.dressing, site.app_state.jobs
    given_up = jobs.add(lambda _: dressing.dress(choice, on_step))
    assert wait_for(site, given_up.id)["state"] == "cancelled"
    assert [step for step, _ in asked] == [0, 1, 2]
    assert wait_for(site, jobs.add(partial(dressing.dress, choice)).id)["state"] == "done"
    assert len(asked) == 3


def test_an_address_in_use_is_reported_before_loading(tmp_path: Path) -> None:
    with open_socket("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(UserError, match=f"^--host 127.0.0.1 --port {port}: .*use another --port"):
            demo_command(["--runs", str(tmp_path / "none"), "--port", port], standalone_mode=False)


def test_an_unknown_host_is_a_user_error() -> None:
    with pytest.raises(UserError, match=r"--host no\.such\.host\.invalid"):
        open_socket("no.such.host.invalid", 0)


def test_a_missing_extra_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("train.serving")]:
        monkeypatch.delitem(sys.modules, name)  # which have found it, for the tests before
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(UserError, match=r"^aiohttp is not installed; pip install 'tryon-cascade\[train,demo\]'$"):
        demo_command([], standalone_mode=False)


def test_the_address_is_printed_and_an_interrupt_stops_the_server(trained: Path, shards: Path) -> None:
    command = [sys.executable, "-m", "train", "demo", "--runs", str(trained), "--shards", str(shards), "--port", "0"]
    environment = {**os.environ, "U2NET_HOME": str(trained), "REMBG_HOME": str(trained)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        assert running.stdout
        url = running.stdout.readline().split()[0]
        with urllib.request.urlopen(f"{url}api/catalogue", timeout=30) as answer:
            assert answer.status == 200
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 0

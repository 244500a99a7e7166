"""Weights from a server on this machine: whole, checked, resumed, behind a proxy, or one line that says why not."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_server import HttpServer, running_http
from in_process import Ended, run_here

from common.errors import UserError
from preprocess import cli
from preprocess.annotation.fetching import download as module
from preprocess.annotation.fetching.catalogue import BY_NAME, CATALOGUE, File, Weights
from preprocess.annotation.fetching.download import download

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    monkeypatch.setattr(module, "_CHUNK", 1 << 14)
    for name in ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HttpServer]:
    (tmp_path / "served").mkdir()
    (tmp_path / "served/net.onnx").write_bytes(CONTENT)
    with running_http(tmp_path / "served") as server:
        yield server


def file(server: HttpServer, sha256: str = SHA256, size: int | None = len(CONTENT)) -> File:
    return File("net.onnx", f"{server.url}/net.onnx", sha256, size)


def test_a_file_is_fetched_once(server: HttpServer, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path, checked = download(file(server), tmp_path / "a/b", lambda *done: seen.append(done))
    assert (path.read_bytes(), checked) == (CONTENT, True)
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [one.name for one in path.parent.iterdir()] == ["net.onnx"]
    download(file(server), tmp_path / "a/b", lambda *done: None)
    assert len(server.requests) == 1
    path.write_bytes(b"another file of the same name")
    download(file(server), tmp_path / "a/b", lambda *done: None)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no-ranges"])
def test_a_broken_download_is_continued(server: HttpServer, tmp_path: Path, ranges: bool) -> None:
    server.drops, server.ranges = 2, ranges
    path, _ = download(file(server), tmp_path, lambda *done: None)
    assert path.read_bytes() == CONTENT
    half = len(CONTENT) // 2
    wanted = [one for _, one in server.requests]
    assert wanted == ["", f"bytes={half}-", f"bytes={half + half // 2 if ranges else half}-"]


def test_an_interrupted_run_is_continued_by_the_next(server: HttpServer, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(file(server), tmp_path, stop)
    arrived = (tmp_path / "net.onnx.part").stat().st_size
    assert 0 < arrived < len(CONTENT)
    assert not (tmp_path / "net.onnx").exists()
    path, _ = download(file(server), tmp_path, lambda *done: None)
    assert path.read_bytes() == CONTENT
    assert server.requests[-1][1] == f"bytes={arrived}-"


def test_a_part_that_is_longer_than_the_file_is_dropped(server: HttpServer, tmp_path: Path) -> None:
    (tmp_path / "net.onnx.part").write_bytes(CONTENT + b"of another release")
    assert download(file(server), tmp_path, lambda *done: None)[0].read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("sha256", "size", "said"),
    [("0" * 64, None, "instead of 000"), (SHA256, 5, "1024000 bytes instead of 5"), ("", 4, "bytes instead of 4")],
)
def test_another_file_is_not_kept(server: HttpServer, tmp_path: Path, sha256: str, size: int | None, said: str) -> None:
    with pytest.raises(UserError) as error:
        download(file(server, sha256, size), tmp_path, lambda *done: None)
    assert said in str(error.value)
    assert str(error.value).endswith("it is not the published file, and is not kept")
    assert not list(tmp_path.glob("net*"))


def test_without_a_known_checksum_the_servers_is_used(server: HttpServer, tmp_path: Path) -> None:
    assert download(file(server, ""), tmp_path / "a", lambda *done: None)[1] is False
    server.etag = SHA256
    assert download(file(server, ""), tmp_path / "b", lambda *done: None)[1] is True
    server.etag = "f" * 64
    with pytest.raises(UserError, match="instead of fff"):
        download(file(server, ""), tmp_path / "c", lambda *done: None)


def test_without_any_checksum_what_an_earlier_run_left_is_not_kept(server: HttpServer, tmp_path: Path) -> None:
    (tmp_path / "net.onnx.part").write_bytes(b"\0" * 1000)  # of the release before, as long as this one
    assert download(file(server, ""), tmp_path, lambda *done: None)[0].read_bytes() == CONTENT


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no-ranges"])
def test_what_is_not_kept_costs_no_second_transfer(server: HttpServer, tmp_path: Path, ranges: bool) -> None:
    """The headers say that there is no digest, before any byte is taken."""
    server.ranges = ranges
    (tmp_path / "net.onnx.part").write_bytes(CONTENT[:1000])
    seen: list[tuple[int, int]] = []
    path, _ = download(file(server, ""), tmp_path, lambda *done: seen.append(done))
    assert path.read_bytes() == CONTENT
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[0][0] == 1 << 14
    assert [wanted for _, wanted in server.requests] == ["bytes=1000-", *([""] if ranges else [])]


def test_what_the_servers_digest_can_check_is_continued(server: HttpServer, tmp_path: Path) -> None:
    server.etag = SHA256
    (tmp_path / "net.onnx.part").write_bytes(CONTENT[:1000])
    path, checked = download(file(server, ""), tmp_path, lambda *done: None)
    assert (path.read_bytes(), checked) == (CONTENT, True)
    assert [wanted for _, wanted in server.requests] == ["bytes=1000-"]


def test_a_digest_that_a_redirect_states_is_checked(server: HttpServer, tmp_path: Path) -> None:
    server.redirect, server.etag = "net.onnx", SHA256
    moved = File("net.onnx", f"{server.url}/resolve/net.onnx")
    path, checked = download(moved, tmp_path, lambda *done: None)
    assert (path.read_bytes(), checked) == (CONTENT, True)


def test_proxies_of_the_environment_are_used(
    server: HttpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    asked = File("net.onnx", "http://weights.invalid/releases/net.onnx", SHA256)
    (tmp_path / "served/releases").mkdir()
    (tmp_path / "served/releases/net.onnx").write_bytes(CONTENT)
    assert download(asked, tmp_path, lambda *done: None)[0].read_bytes() == CONTENT


def test_no_network_a_missing_file_and_a_failing_server_are_one_line(server: HttpServer, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = File("net.onnx", f"http://127.0.0.1:{closed.getsockname()[1]}/net.onnx", SHA256)
        with pytest.raises(UserError, match="refused; check the network or HTTPS_PROXY") as error:
            download(nobody, tmp_path, lambda *done: None)
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="404 Not Found; try again later"):
        download(File("none.onnx", f"{server.url}/none.onnx"), tmp_path, lambda *done: None)
    server.status = 503
    server.requests.clear()
    with pytest.raises(UserError, match="503"):
        download(file(server), tmp_path, lambda *done: None)
    assert len(server.requests) == 5


def test_a_folder_that_cannot_be_written_is_named(server: HttpServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="give another folder by --to"):
        download(file(server), tmp_path / "file", lambda *done: None)


def prep(*arguments: str, cwd: Path) -> Ended:
    return run_here(cli.main, *arguments, cwd=cwd)


@pytest.fixture
def known(server: HttpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weights:
    """A network that the catalogue knows; and prep's own folder."""
    weights = Weights("net", "poses", "Apache-2.0", (file(server),))
    monkeypatch.setitem(BY_NAME, "net", weights)
    monkeypatch.setenv("TRYON_WEIGHTS", str(tmp_path / "own"))
    monkeypatch.setenv("U2NET_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("REMBG_HOME", str(tmp_path / "none"))
    return weights


def test_weights_are_fetched_by_name(known: Weights, server: HttpServer, tmp_path: Path) -> None:
    done = prep("weights", "fetch", "net", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/own/net.onnx\n")
    assert done.stderr == "prep: net: Apache-2.0\n"
    done = prep("weights", "fetch", "net", "--to", "here", "--mirror", f"{server.url}/", cwd=tmp_path)
    assert (done.returncode, (tmp_path / "here/net.onnx").read_bytes()) == (0, CONTENT)
    done = prep("weights", "fetch", "nat", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "'nat' is not known; one of pose_landmarker_full" in done.stderr


def test_weights_are_listed_with_their_licences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRYON_WEIGHTS", str(tmp_path))
    (tmp_path / "u2net.onnx").touch()
    done = prep("weights", "list", cwd=tmp_path)
    assert "u2net (here): the garment in a product photo, by rembg" in done.stdout
    assert "licence: AGPL-3.0" in done.stdout
    listed = json.loads(prep("weights", "list", "--json", cwd=tmp_path).stdout)
    assert [one["name"] for one in listed["weights"]] == [one.name for one in CATALOGUE]
    assert [one["here"] for one in listed["weights"] if one["name"] == "u2net"] == [True]


def test_the_catalogue_is_consistent() -> None:
    names = [file.name for weights in CATALOGUE for file in weights.files]
    assert len(set(names)) == len(names)
    for weights in CATALOGUE:
        assert weights.licence
        for one in weights.files:
            assert one.url.startswith("https://")
            assert one.url.endswith(Path(one.name).name)
            assert len(one.sha256) in (0, 64)

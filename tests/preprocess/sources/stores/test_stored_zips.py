"""Zips in an object store, whole and in parts: read in place, by ranges, as those on disk."""

from __future__ import annotations

import pickle
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hub_server import running_hub
from s3_server import BUCKET, S3Server, running_s3

from common.errors import UserError
from preprocess.cli import cli
from preprocess.faults import Fault, RecordError, Tally
from preprocess.sources import Files
from preprocess.sources.files import Files as LocalFiles
from preprocess.sources.stores import stored_parts
from preprocess.sources.stores.remote_files import RemoteFiles
from preprocess.sources.stores.stored_parts import StoredParts

URL = f"s3://{BUCKET}/data"


@pytest.fixture
def delivered(aihub: Path) -> Path:
    """The data set as it is delivered: a zip for each of its folders, one in parts; one file is unpacked, too."""
    for folder in sorted(aihub.rglob("2021_Fashion_*")):
        shutil.make_archive(str(folder), "zip", folder)
        shutil.rmtree(folder)
    whole = next(aihub.rglob("*itemimages*.zip"))
    data = whole.read_bytes()
    whole.with_name(f"{whole.name}.part0").write_bytes(data[:1000])
    whole.with_name(f"{whole.name}.part1000").write_bytes(data[1000:])
    whole.unlink()
    beside = whole.with_suffix("") / "Item-Image/1008001_F.jpg"
    beside.parent.mkdir(parents=True)
    with zipfile.ZipFile(next(aihub.rglob("*modelimages*.zip"))) as archive:
        beside.write_bytes(archive.read("Model-Image/1008_A001_000.jpg"))  # another image than in the zip
    return aihub


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch, delivered: Path) -> Iterator[S3Server]:
    with running_s3(monkeypatch) as server:
        for path in delivered.rglob("*"):
            if path.is_file():
                key = f"data/{path.relative_to(delivered).as_posix()}"
                server.client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
        yield server


def paths_of(files: Files) -> list[str]:
    return [f"{folder}/{name}" if folder else name for folder, names in files.walk() for name in names]


def build(*words: str | Path) -> Any:
    return CliRunner().invoke(cli, ["build-shards", "--workers", "1", *map(str, words)])


def test_zips_are_read_as_those_on_disk(stored: S3Server, delivered: Path, tmp_path: Path) -> None:
    remote, local = RemoteFiles(URL), LocalFiles(delivered)
    paths = paths_of(local)
    assert sorted(paths_of(remote)) == sorted(paths)
    assert any(path.endswith("Item-Image/1008002_F.jpg") for path in paths)
    sent = pickle.loads(pickle.dumps(remote))
    for path in [*paths, "gone.jpg"]:
        assert remote.stamp(path) == local.stamp(path)
        if path != "gone.jpg":
            assert remote.read(path) == sent.read(path) == local.read(path)
    assert sent._listing is None  # no worker lists the store
    with pytest.raises(RecordError) as refused:
        sent.read(f"{paths[0]}x")
    assert refused.value.reason == Fault.UNREADABLE_FILE
    for src, out in ((URL, tmp_path / "a"), (delivered, tmp_path / "b")):
        done = build("--src", src, "--out", out)
        assert done.exit_code == 0, done.output
    assert [path.read_bytes() for path in sorted((tmp_path / "a").iterdir())] == [
        path.read_bytes() for path in sorted((tmp_path / "b").iterdir())
    ]


def test_a_data_set_may_be_one_zip(stored: S3Server, delivered: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "whole"), "zip", delivered)
    with zipfile.ZipFile(tmp_path / "whole.zip", "w") as archive:
        for path in sorted(delivered.rglob("*")):
            if path.is_file() and "zip" not in path.name:
                archive.write(path, path.relative_to(delivered))
    stored.client.put_object(Bucket=BUCKET, Key="other/whole.zip", Body=(tmp_path / "whole.zip").read_bytes())
    stored.client.put_object(Bucket=BUCKET, Key="other/beside.jpg", Body=b"x")
    remote, local = RemoteFiles(f"s3://{BUCKET}/other/whole.zip"), LocalFiles(tmp_path / "whole.zip")
    assert paths_of(remote) == paths_of(local) != []
    assert [remote.read(path) for path in paths_of(local)] == [local.read(path) for path in paths_of(local)]
    with pytest.raises(RecordError):
        pickle.loads(pickle.dumps(remote)).read("beside.jpg")
    with pytest.raises(UserError, match=f"--src s3://{BUCKET}/other/gone.zip: nothing is there"):
        RemoteFiles(f"s3://{BUCKET}/other/gone.zip")


def test_a_part_that_is_missing_is_named_by_its_url(stored: S3Server) -> None:
    (part,) = [
        one["Key"] for one in stored.client.list_objects_v2(Bucket=BUCKET)["Contents"] if "part1000" in one["Key"]
    ]
    stored.client.delete_object(Bucket=BUCKET, Key=part)
    with pytest.raises(UserError) as refused:
        list(RemoteFiles(URL).walk())
    assert f"s3://{BUCKET}/{part.removesuffix('.part1000')}.part0" in str(refused.value)
    assert "the end of the zip is missing" in str(refused.value)


def test_consecutive_members_are_fetched_ahead_and_others_by_one_request(
    stored: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytes(range(256)) * (1 << 14)  # 4 MiB
    stored.client.put_object(Bucket=BUCKET, Key="x/a.bin", Body=data)
    source = StoredParts((Path("a.bin"),), (len(data),), (0,), "", f"s3://{BUCKET}/x")
    asked: list[int] = []
    ranged = stored_parts._range_of

    def counted(url: str, start: int, end: int) -> bytes:
        asked.append(end - start)
        return ranged(url, start, end)

    monkeypatch.setattr(stored_parts, "_range_of", counted)
    starts = range(0, 1 << 21, 10_000)
    assert all(source.read(start, 9_000) == data[start : start + 9_000] for start in starts)
    assert len(asked) < 7  # of 210 reads
    asked.clear()
    for start in (3 << 20, 100, 4_190_000, 2_000_000):  # from the end, or far away: fetched as it is
        assert source.read(start, 50_000) == data[start : start + 50_000]
    assert sum(asked) < 4 * 50_000 + (1 << 19)
    assert source.read(len(data) - 5, 100) == data[-5:]


def test_zips_on_a_hub_are_read_in_place(delivered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_hub(delivered, monkeypatch) as url:
        remote, local = RemoteFiles(url), LocalFiles(delivered)
        paths = paths_of(local)
        assert sorted(paths_of(remote)) == sorted(paths)
        assert [remote.read(path) for path in paths] == [local.read(path) for path in paths]


def test_tars_are_told_and_skipped(stored: S3Server) -> None:
    stored.client.put_object(Bucket=BUCKET, Key="data/more/x.tar", Body=b"\0" * 1024)
    tally = Tally()
    assert not any(".tar" in path for path in paths_of(RemoteFiles(URL)))
    list(RemoteFiles(URL).walk(tally))
    assert tally.examples[Fault.TAR_IN_STORE] == ["more/x.tar"]
    with pytest.raises(UserError, match=r"x\.tar: a tar has no list of its files.*unpack it there, or download it"):
        RemoteFiles(f"{URL}/more/x.tar")

"""A storage in S3: objects are there whole or not at all, whatever the connection does."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest
from s3_server import BUCKET, S3Server, running_s3

from common.errors import UserError
from common.storage import remote
from common.storage.connection import ATTEMPTS
from common.storage.remote import RemoteStorage

URL = f"s3://{BUCKET}/some/shards"
_PART = 5 << 20
"""The smallest part that S3 takes."""


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """An S3 server with an empty bucket."""
    with running_s3(monkeypatch) as server:
        yield server


def test_files_are_listed_measured_and_removed(s3: S3Server) -> None:
    storage = RemoteStorage(URL, "--out")
    assert storage.names() == []
    storage.prepare()
    storage.write("plan.json", b"{}")
    storage.write("rejects.jsonl", b"")
    assert (storage.name, storage.names()) == ("shards", ["plan.json", "rejects.jsonl"])
    assert [storage.read(name) for name in storage.names()] == [b"{}", b""]
    assert [storage.is_file(name) for name in ("plan.json", "missing")] == [True, False]
    assert storage.read_range("plan.json", 1, 1) == b"}"
    storage.remove("plan.json")
    storage.remove("plan.json")
    storage.settle()
    assert sorted(s3.objects("some/shards")) == ["rejects.jsonl"]
    with pytest.raises(FileNotFoundError):
        storage.read("plan.json")


@pytest.mark.parametrize("breaks", [1, 3])
def test_interrupted_parts_are_uploaded_again(s3: S3Server, breaks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PART", _PART)
    data = bytes(range(256)) * (3 * _PART // 256 + 1)
    s3.proxy.break_off(times=breaks, after=2_000_000)
    with RemoteStorage(URL, "--out").writing("a.tar") as file:
        file.write(data)
    assert s3.proxy.broken == breaks
    assert s3.objects("some/shards") == {"a.tar": data}
    assert s3.client.head_object(Bucket=BUCKET, Key="some/shards/a.tar")["ETag"].strip('"').endswith("-4")  # parts
    assert not s3.uploads()


def test_a_failed_upload_raises_a_one_line_error_and_leaves_no_object(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PART", _PART)
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    waits: list[float] = []
    s3.proxy.break_off(times=10_000, after=1_000_000)
    folder = RemoteStorage(URL, "--out", waits.append)
    with (
        pytest.raises(UserError, match=rf"a.tar: cannot be written, {ATTEMPTS} attempts") as caught,
        folder.writing("a.tar") as file,
    ):
        file.write(bytes(3 * _PART))
    assert "\n" not in str(caught.value)
    assert len(waits) == ATTEMPTS - 1
    assert s3.objects("some/shards") == {}
    assert not s3.uploads()


def test_a_truncated_read_is_retried(s3: S3Server) -> None:
    data = bytes(range(256)) * 8192
    folder = RemoteStorage(URL, "--shards")
    folder.write("a.tar", data)
    s3.proxy.break_off(times=1, after=500_000)
    with pickle.loads(pickle.dumps(folder)).open("a.tar") as file:
        file.seek(256)
        assert file.read() == data[256:]
    s3.proxy.break_off(times=1, after=500_000)
    assert folder.read("a.tar") == data
    assert s3.proxy.broken == 2

"""A dataset in an object store: the plan and the shards of a local copy, read by every process itself."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pair_tables import row_of, written
from s3_server import BUCKET, S3Server, running_s3

from common.errors import UserError
from preprocess.cli import cli
from preprocess.faults import Fault, RecordError
from preprocess.sources import Files
from preprocess.sources.stores.remote_files import RemoteFiles

URL = f"s3://{BUCKET}/data"


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch, aihub: Path) -> Iterator[S3Server]:
    """An S3 server with the data set in it."""
    (aihub / ".hidden").write_text("x")
    with running_s3(monkeypatch) as server:
        for path in aihub.rglob("*"):
            if path.is_file():
                server.client.put_object(
                    Bucket=BUCKET, Key=f"data/{path.relative_to(aihub).as_posix()}", Body=path.read_bytes()
                )
        yield server


def build(*words: str | Path) -> Any:
    return CliRunner().invoke(cli, ["build-shards", "--workers", "1", *map(str, words)])


def test_a_file_takes_one_request(stored: S3Server, aihub: Path, caplog: pytest.LogCaptureFixture) -> None:
    remote, local = RemoteFiles(URL), Files(aihub)
    paths = [path for path in remote._listed() if path.endswith((".jpg", ".json"))]
    caplog.set_level("INFO", "werkzeug")
    caplog.clear()
    assert [remote.read(path) for path in paths] == [local.read(path) for path in paths] != []
    asked = [record.getMessage().partition('"')[2].split(" ")[0] for record in caplog.records]
    assert asked == ["GET"] * len(paths)


def test_shards_are_those_of_a_local_copy(stored: S3Server, aihub: Path, tmp_path: Path) -> None:
    remote, local = RemoteFiles(URL), Files(aihub)
    assert dict(remote.walk()) == dict(local.walk())
    path = "01.데이터/1.Training/원천데이터_230515_add/2021_Fashion_train_itemimages_v230428/Item-Image/1008001_F.jpg"
    sent = pickle.loads(pickle.dumps(remote))
    assert "1008001" not in str(sent.__dict__)  # workers get no listing
    assert sent.read(path) == local.read(path)
    assert (remote.stamp(path), remote.stamp("gone")) == (local.stamp(path), local.stamp("gone"))
    for wrong in ("../a", "/etc/passwd", "gone.jpg"):
        with pytest.raises(RecordError) as refused:
            remote.read(wrong)
        assert refused.value.reason in (Fault.OUTSIDE, Fault.UNREADABLE_FILE)
    with pytest.raises(UserError, match="nothing is there"):
        RemoteFiles(f"s3://{BUCKET}/nothing")

    poses = [path for path in remote._listed() if "Model-Pose" in path]
    asked = _count_requests(remote)
    assert [remote.read(path) for path in poses] == [local.read(path) for path in poses]
    assert asked == ["cat"]  # label files of a folder are fetched at once

    built = build("--src", URL, "--out", f"s3://{BUCKET}/shards")
    assert built.exit_code == 0, built.output
    assert build("--src", aihub, "--out", tmp_path / "out").exit_code == 0
    ours = stored.objects("shards")
    assert ours == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def _count_requests(remote: RemoteFiles) -> list[str]:
    """Return a list that grows with each request of the store's file system."""
    files, _ = remote._opened()
    asked: list[str] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            if not name.startswith("_"):
                asked.append(name)
            return getattr(files, name)

    remote._store = Counting(), remote._opened()[1]
    return asked


def test_a_table_may_name_files_of_a_store(stored: S3Server, tmp_path: Path) -> None:
    row = {name: value for name, value in row_of("train", "1").items() if name in ("person", "garment", "split")}
    written(tmp_path / "pairs.csv", [row])
    done = build("--table", tmp_path / "pairs.csv", "--src", URL, "--out", tmp_path / "out")
    assert done.exit_code == 1, done.output  # no pose: the only record is rejected
    assert '"train_data-train-image-1_0_data-train-cloth-1_F"' in (tmp_path / "out/rejects.jsonl").read_text()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning:ray", "ignore::DeprecationWarning:ray")
def test_ray_reads_and_writes_object_stores(stored: S3Server, aihub: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="no ray: pip install 'tryon-cascade[ray]'")
    built = build("--src", URL, "--out", f"s3://{BUCKET}/by-ray", "--engine", "ray")
    assert built.exit_code == 0, built.output
    assert build("--src", aihub, "--out", tmp_path / "out").exit_code == 0
    assert stored.objects("by-ray") == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

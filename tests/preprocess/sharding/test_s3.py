"""Shards in S3: the bytes of a folder of this machine, whole or not at all, whatever the connection does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from builds import run
from click.testing import CliRunner
from s3_server import BUCKET, S3Server, running_s3

from common.errors import UserError
from common.storage.remote import RemoteStorage
from preprocess.cli import cli
from preprocess.inspection.verification import verify
from preprocess.planning.plan import PlannedRecords

Tree = Callable[[Path], dict[str, bytes]]
PlanOf = Callable[[Path], PlannedRecords]
Looks = Callable[[int], Path]

URL = f"s3://{BUCKET}/some/shards"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """An S3 server with an empty bucket."""
    with running_s3(monkeypatch) as server:
        yield server


def test_the_objects_are_the_files_of_a_local_build(
    s3: S3Server, looks: Looks, plan_of: PlanOf, tree: Tree, tmp_path: Path
) -> None:
    root = looks(5)
    next(root.rglob("Item-Image/1008003_F.jpg")).write_bytes(b"")
    planned = plan_of(root)
    run(root, tmp_path / "out", planned)
    summary = run(root, URL, planned, workers=2)
    assert s3.objects("some/shards") == tree(tmp_path / "out")
    assert not s3.uploads()
    again = run(root, URL, planned)
    assert (again.records_built, again.manifest) == (0, summary.manifest)
    report = verify(URL, 1, lambda done, total: None)
    assert report.ok
    assert report == verify(tmp_path / "out", 1, lambda done, total: None)


def test_the_command_line_takes_urls(s3: S3Server, aihub: Path, tree: Tree, tmp_path: Path) -> None:
    said: dict[str, str] = {}
    for out in (URL, str(tmp_path / "out")):
        built = CliRunner().invoke(cli, ["build-shards", "--src", str(aihub), "--out", out, "--workers", "1"])
        assert built.exit_code == 0, built.output
        assert built.stdout.splitlines()[0] == f"2 samples (2 train) in 1 shard: {out}/manifest.json"
        page = tmp_path / f"{len(said)}.html"
        shown = CliRunner().invoke(cli, ["report", "--shards", out, "--out", str(page), "--workers", "1"])
        assert shown.exit_code == 0, shown.output
        said[out] = shown.stdout.partition(":")[0]
    assert s3.objects("some/shards") == tree(tmp_path / "out")
    assert said[URL] == said[str(tmp_path / "out")]
    dry = CliRunner().invoke(cli, ["build-shards", "--src", str(aihub), "--out", URL, "--workers", "1", "--dry-run"])
    assert "1 shard is done" in dry.stdout


@pytest.mark.usefixtures("in_process")
def test_an_interrupted_run_resumes(
    s3: S3Server, looks: Looks, plan_of: PlanOf, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = looks(6)
    planned = plan_of(root)
    run(root, tmp_path / "out", planned)
    put = RemoteStorage._put
    names: list[str] = []

    def put_some(self: RemoteStorage, name: str, *rest: Any) -> None:
        names.append(name)
        if len(names) == 5:
            raise KeyboardInterrupt
        put(self, name, *rest)

    monkeypatch.setattr(RemoteStorage, "_put", put_some)
    with pytest.raises(KeyboardInterrupt):
        run(root, URL, planned)
    left = s3.objects("some/shards")
    assert sorted(left) == ["plan.json", "train-000000.index.json", "train-000000.tar", "train-000001.tar"]
    monkeypatch.setattr(RemoteStorage, "_put", put)
    assert run(root, URL, planned).shards_found == 1
    assert s3.objects("some/shards") == tree(tmp_path / "out")


@pytest.mark.usefixtures("in_process")
def test_retried_rejects_are_built_anew_there_too(
    s3: S3Server, looks: Looks, plan_of: PlanOf, tree: Tree, tmp_path: Path
) -> None:
    root = looks(5)
    repaired = next(root.rglob("Item-Image/1008003_F.jpg"))
    good = repaired.read_bytes()
    repaired.write_bytes(b"")
    for out in (URL, tmp_path / "out"):
        run(root, out, plan_of(root))
    repaired.write_bytes(good)
    for out in (URL, tmp_path / "out"):
        assert run(root, out, plan_of(root), retry_rejects=True).manifest.rejects == 0
    assert s3.objects("some/shards") == tree(tmp_path / "out")


def test_a_connection_that_breaks_in_mid_transfer_is_made_again(
    s3: S3Server, looks: Looks, plan_of: PlanOf, tree: Tree, tmp_path: Path, in_process: None
) -> None:
    root = looks(5)
    planned = plan_of(root)
    run(root, tmp_path / "out", planned)
    s3.proxy.break_off(times=3, after=100_000)
    run(root, URL, planned)
    assert s3.proxy.broken == 3
    assert s3.objects("some/shards") == tree(tmp_path / "out")


@pytest.mark.usefixtures("in_process")
def test_uploads_that_a_killed_run_left_are_aborted_and_others_are_not(
    s3: S3Server, looks: Looks, plan_of: PlanOf
) -> None:
    keys = [f"some/shards/{name}" for name in ("train-000000.tar", "other.tar")] + ["elsewhere/train-000000.tar"]
    for key in keys:
        s3.client.create_multipart_upload(Bucket=BUCKET, Key=key)
    run(looks(3), URL, plan_of(looks(3)))
    assert sorted(s3.uploads()) == sorted(keys[1:])


@pytest.mark.parametrize(
    ("url", "unset", "said"),
    [
        ("s3://nobodys/shards", (), "--out s3://nobodys/shards: there is no bucket nobodys"),
        (URL, ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ("memory://bucket/shards", (), "--out memory://bucket/shards: only s3:// URLs can be written"),
        ("nonsense://bucket", (), "--out nonsense://bucket: Protocol not known"),
    ],
)
def test_what_cannot_be_written_to_is_one_line(
    url: str, unset: tuple[str, ...], said: str, s3: S3Server, looks: Looks, plan_of: PlanOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name in unset:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(UserError, match=said) as caught:
        run(looks(2), url, plan_of(looks(2)))
    assert "\n" not in str(caught.value)


def test_a_url_without_shards_is_one_line(s3: S3Server) -> None:
    with pytest.raises(UserError, match=rf"--shards {URL}: no plan.json in it"):
        verify(URL, 1, lambda done, total: None)

"""Shards in S3 itself: the batches of the folder, also where connections break off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import fsspec
import pytest
import torch
from s3_server import BUCKET, S3Server, running_s3

from common.errors import UserError
from train.configuration.stage_config import StageConfig
from train.data import BatchLoader, ShardFolder

TinyConfig = Callable[..., StageConfig]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, shards: Path) -> Iterator[S3Server]:
    """An S3 server that holds a copy of the drawn shards."""
    with running_s3(monkeypatch) as server:
        for path in shards.iterdir():
            server.client.put_object(Bucket=BUCKET, Key=f"shards/{path.name}", Body=path.read_bytes())
        yield server


def test_batches_equal_the_folders_despite_broken_connections(s3: S3Server, shards: Path, tiny: TinyConfig) -> None:
    config = tiny("base")
    there = ShardFolder(f"s3://{BUCKET}/shards", "train")
    s3.proxy.break_off(times=2, after=20_000)
    here = BatchLoader(ShardFolder(shards, "train"), config).batches(0)
    for a, b in islice(zip(here, BatchLoader(there, config).batches(0), strict=True), 4):
        assert torch.equal(a.x, b.x)
    assert s3.proxy.broken == 2


def test_a_missing_bucket_and_missing_credentials_are_user_errors(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"--shards s3://nobodys: no manifest.json in it"):
        ShardFolder("s3://nobodys", "train")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    fsspec.filesystem("s3").clear_instance_cache()
    with pytest.raises(UserError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        ShardFolder(f"s3://{BUCKET}/other", "train")

"""Copies of the drawn shards to damage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas import ShardIndex


@pytest.fixture
def copied(shards: Path, tmp_path: Path) -> Path:
    """Return a copy of the drawn shards."""
    folder = tmp_path / "shards"
    shutil.copytree(shards, folder)
    return folder


@pytest.fixture
def damage(copied: Path) -> Callable[[str, str], str]:
    """(shard, member) → damages the member of the shard's first sample in ``copied``, and returns its key."""

    def zeros(shard: str, member: str) -> str:
        index = ShardIndex.model_validate(json.loads((copied / f"{shard}.index.json").read_text()))
        first = index.samples[0]
        offset, size = first.members[member]
        with (copied / f"{shard}.tar").open("r+b") as tar:
            tar.seek(offset)
            tar.write(bytes(size))
        return first.key

    return zeros

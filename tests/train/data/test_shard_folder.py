import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import UserError
from schemas import AGNOSTIC, JP, MID_GREY, PERSON, Sample
from train.data import ShardFolder


def test_members_are_read_by_offset(shards: Path) -> None:
    data = ShardFolder(shards, "train")
    assert len(data) == len(set(data.keys)) > 10
    last = len(data) - 1
    assert data.image(last, PERSON).shape == (1024, 1024, 3)
    assert (data.image(last, AGNOSTIC) == MID_GREY).all(axis=-1).mean() > 0.1
    assert data.pose(last, JP).shape == (17, 3)
    assert isinstance(data.sample(last), Sample)
    assert data.sample(last).key == data.keys[last]


def test_the_splits_share_nothing(shards: Path) -> None:
    train, val = ShardFolder(shards, "train"), ShardFolder(shards, "val")
    assert not set(train.keys) & set(val.keys)
    looks = [{folder.sample(p).look for p in range(len(folder))} for folder in (train, val)]
    items = [{folder.sample(p).item for p in range(len(folder))} for folder in (train, val)]
    assert not looks[0] & looks[1]
    assert not items[0] & items[1]


def change_manifest(folder: Path) -> None:
    document = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**document, "fingerprint": "another"}))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "no manifest.json"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "not a manifest"),
        (change_manifest, "does not belong"),
        (lambda folder: next(folder.glob("train-*.index.json")).unlink(), r"index\.json: missing; copy it again"),
        (lambda folder: next(folder.glob("train-*.tar")).unlink(), r"\d\.tar: missing; copy it again"),
        (lambda folder: next(folder.glob("train-*.tar")).write_bytes(b"short"), r"\.tar: 5 bytes instead of \d+"),
        (lambda folder: shutil.rmtree(folder), "run prep build-shards"),
    ],
    ids=["no-manifest", "cut-manifest", "other-plan", "no-index", "no-tar", "cut-tar", "no-folder"],
)
def test_a_damaged_folder_is_refused(shards: Path, tmp_path: Path, damage: Callable[[Path], Any], said: str) -> None:
    folder = tmp_path / "shards"
    shutil.copytree(shards, folder)
    damage(folder)
    with pytest.raises(UserError, match=said):
        ShardFolder(folder, "train")


@pytest.mark.parametrize("member", [PERSON, JP, "json"])
def test_a_damaged_member_is_named(shards: Path, tmp_path: Path, member: str) -> None:
    folder = tmp_path / "shards"
    shutil.copytree(shards, folder)
    index = json.loads((folder / "train-000000.index.json").read_text())
    offset, size = index["samples"][0]["members"][member]
    with (folder / "train-000000.tar").open("r+b") as tar:
        tar.seek(offset)
        tar.write(b"\x01" * size)
    data = ShardFolder(folder, "train")
    reader: dict[str, Callable[[], Any]] = {
        PERSON: lambda: data.image(0, PERSON),
        JP: lambda: data.pose(0, JP),
        "json": lambda: data.sample(0),
    }
    with pytest.raises(UserError, match=f"{data.keys[0]}.{member} is damaged"):
        reader[member]()
    assert np.isfinite(data.pose(1, JP)).all()

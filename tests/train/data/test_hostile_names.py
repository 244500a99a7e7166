"""Shards from elsewhere whose keys and names lead out of a folder: refused in one line, and nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from in_process import run_here

from common.errors import UserError
from train.cli import main
from train.data import ShardFolder

HOSTILE = ["../../evil", "/tmp/evil", "a/b", "..", "a\\b", "evil\n", ""]


def edit(path: Path, change: Callable[[Any], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def rename_sample(folder: Path, key: str, split: str = "val") -> None:
    edit(folder / f"{split}-000000.index.json", lambda index: index["samples"][0].update(key=key))


@pytest.mark.parametrize("key", HOSTILE)
def test_a_key_in_an_index(copied: Path, key: str) -> None:
    rename_sample(copied, key)
    with pytest.raises(UserError, match=r"val-000000\.index\.json: .*samples\.0\.key") as caught:
        ShardFolder(copied, "val")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", HOSTILE)
def test_a_key_in_a_sample(copied: Path, key: str) -> None:
    data = ShardFolder(copied, "val")
    document = json.loads(data.read(0, "json")[0])
    with pytest.raises(UserError, match="damaged") as caught:
        data.decoded_sample(0, json.dumps({**document, "key": key}).encode())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"), [("name", "../val-000000.tar"), ("name", "/val-000000.tar"), ("sha256", "../../evil")]
)
def test_a_name_in_a_manifest(copied: Path, field: str, value: str) -> None:
    edit(copied / "manifest.json", lambda manifest: manifest["shards"][-1].update({field: value}))
    with pytest.raises(UserError, match=rf"manifest\.json: .*shards\.\d+\.{field}") as caught:
        ShardFolder(copied, "val")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("command", ["sample", "evaluate"])
def test_the_programs_refuse_such_shards_and_write_nothing(
    copied: Path, trained: Path, tmp_path: Path, command: str
) -> None:
    rename_sample(copied, "../../evil")
    before = sorted(tmp_path.rglob("*"))
    out = ("--out", str(tmp_path / "a/b/out")) if command == "sample" else ()
    ended = run_here(main, command, "--runs", str(trained), "--shards", str(copied), *out, cwd=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert "samples.0.key ('../../evil')" in ended.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_a_source_that_does_not_exist_is_one_line(copied: Path, trained: Path, tmp_path: Path) -> None:
    arguments = ("--runs", str(trained), "--shards", str(copied), "--src", "none", "--out", "out", "--pairs", "1")
    ended = run_here(main, "sample", *arguments, cwd=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert "--src none: no such folder; give the one that the shards were built from" in ended.stderr
    assert not list((tmp_path / "out").rglob("*.png"))

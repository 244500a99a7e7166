"""One machine plans, and others only build: with their records from the folder, not from the dataset's listing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from common.errors import UserError
from preprocess.cli import cli
from preprocess.sources.files import Files

pytestmark = pytest.mark.usefixtures("in_process")
Tree = Callable[[Path], dict[str, bytes]]


def build(*words: str | Path) -> Any:
    options = ("--samples-per-shard", "2", "--workers", "1")
    return CliRunner().invoke(cli, ["build-shards", *options, *map(str, words)])


def test_nodes_build_by_a_stored_plan_without_listing_the_dataset(
    looks: Callable[[int], Path], tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = looks(5)
    next(root.rglob("Item-Image/1008003_F.jpg")).write_bytes(b"")
    assert build("--src", root, "--out", tmp_path / "usual").exit_code == 0
    planned = build("--src", root, "--out", tmp_path / "out", "--plan-only")
    assert planned.stdout == f"planned: 5 pairs in 3 shards: {tmp_path}/out/plan.json\n"
    assert [name for name in tree(tmp_path / "out") if name.endswith(".tar")] == []

    def listed(*_: object) -> None:
        raise AssertionError("a node lists the dataset")

    monkeypatch.setattr(Files, "walk", listed)
    for rank in ("1", "0"):
        done = build("--src", root, "--out", tmp_path / "out", "--from-plan", "--num-nodes", "2", "--node-rank", rank)
        assert done.exit_code == 0, done.output
    assert tree(tmp_path / "out") == tree(tmp_path / "usual")
    again = build("--src", root, "--out", tmp_path / "out", "--from-plan")
    assert "nothing to do: all shards are built" in again.stdout


def test_a_build_that_was_planned_can_be_resumed_in_the_usual_way(aihub: Path, tree: Tree, tmp_path: Path) -> None:
    for out, words in (("usual", ()), ("out", ("--plan-only",)), ("out", ())):
        assert build("--src", aihub, "--out", tmp_path / out, *words).exit_code == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "usual")


def test_mistakes_are_one_line(aihub: Path, tmp_path: Path) -> None:
    assert build("--src", aihub, "--out", tmp_path / "out", "--plan-only").exit_code == 0
    (records,) = (tmp_path / "out").glob("*.records.json")
    records.write_text("{}")
    for words, said in (
        (("--from-plan",), "train-000000.records.json: damaged"),
        (("--from-plan", "--plan-only"), "--plan-only and --from-plan cannot be combined"),
        (("--from-plan", "--check"), "--check and --from-plan cannot be combined"),
    ):
        done = build("--src", aihub, "--out", tmp_path / "out", *words)
        assert isinstance(done.exception, UserError)
        assert said in str(done.exception)
    records.unlink()
    for out, said in (("out", "has no train-000000.records.json"), ("gone", "no plan in it")):
        done = build("--src", aihub, "--out", tmp_path / out, "--from-plan")
        assert isinstance(done.exception, UserError)
        assert said in str(done.exception)

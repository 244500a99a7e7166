"""Two instances in one folder: whatever one does at the other's worst moment, no finished shard loses its index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from builds import run
from configurations import CONFIGURATION

from common.errors import UserError
from preprocess.planning.pairing import records
from preprocess.planning.plan import PlannedRecords, make_plan
from preprocess.sharding.folder import index_name
from preprocess.sources import Files
from preprocess.sources.aihub import open_aihub
from schemas import MANIFEST, PLAN, Plan

Tree = Callable[[Path], dict[str, bytes]]
PlanOf = Callable[[Path], PlannedRecords]
Looks = Callable[[int], Path]

BUILD = import_module("preprocess.sharding.build")


@pytest.fixture
def stale_listing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Let the next run list the folder before the other instance, which is given, has finished there."""

    def list_before(other: Callable[[], object]) -> None:
        real: Callable[..., Any] = BUILD.find_done

        def listed(*args: Any) -> Iterator[Any]:
            monkeypatch.setattr(BUILD, "find_done", real)
            found = list(real(*args))
            other()
            return iter(found)

        monkeypatch.setattr(BUILD, "find_done", listed)

    return list_before


class Killed(BaseException):
    """The process ends here."""


def test_a_shard_that_the_other_instance_has_finished_is_not_built_again(
    looks: Looks, plan_of: PlanOf, tree: Tree, tmp_path: Path, in_process: None,
    stale_listing: Callable[[Callable[[], object]], None], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    root, out = looks(5), tmp_path / "out"
    planned = plan_of(root)
    inodes: dict[str, int] = {}

    def other() -> None:
        run(root, out, planned)
        inodes.update({path.name: path.stat().st_ino for path in out.glob("*.tar")})

    stale_listing(other)
    summary = run(root, out, planned)
    assert (summary.shards_missing, summary.manifest.samples) == (0, 5)
    assert {path.name: path.stat().st_ino for path in out.glob("*.tar")} == inodes
    run(root, tmp_path / "whole", planned)
    assert tree(out) == tree(tmp_path / "whole")


def test_an_instance_that_is_killed_leaves_what_the_other_has_finished(
    looks: Looks, plan_of: PlanOf, tree: Tree, tmp_path: Path, in_process: None,
    stale_listing: Callable[[Callable[[], object]], None], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    root, out = looks(5), tmp_path / "out"
    planned = plan_of(root)
    run(root, tmp_path / "whole", planned)

    def other() -> None:
        run(root, out, planned)

        def killed(*_args: object) -> None:
            raise Killed

        monkeypatch.setattr("preprocess.sharding.shard.make_samples", killed)
        monkeypatch.setattr(BUILD, "finish", killed)

    stale_listing(other)
    with pytest.raises(Killed):
        run(root, out, planned)
    assert tree(out) == tree(tmp_path / "whole")


def test_no_manifest_is_written_while_the_other_instance_builds_a_shard_again(
    looks: Looks, plan_of: PlanOf, tree: Tree, tmp_path: Path, in_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, out = looks(5), tmp_path / "out"
    planned = plan_of(root)
    first = planned.plan.shards[0].name
    real: Callable[..., Any] = BUILD.finish

    def late(*args: Any) -> Any:
        (out / index_name(first)).unlink()  # as a retry does
        return real(*args)

    monkeypatch.setattr(BUILD, "finish", late)
    summary = run(root, out, planned)
    assert (summary.shards_missing, (out / MANIFEST).exists()) == (1, False)
    monkeypatch.setattr(BUILD, "finish", real)
    run(root, out, planned)
    run(root, tmp_path / "whole", planned)
    assert tree(out) == tree(tmp_path / "whole")


@pytest.fixture
def plan_with(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], PlannedRecords]:
    """Plan the same data set with libraries of other versions."""
    root = looks(3)

    def plan(changed: dict[str, str]) -> PlannedRecords:
        ours = import_module("preprocess.libraries").libraries()
        monkeypatch.setattr("preprocess.planning.plan.libraries", lambda: {**ours, **changed})
        files = Files(root)
        return make_plan(files, list(records(open_aihub(files), "upper")), CONFIGURATION)

    return plan


@pytest.mark.parametrize("retry_rejects", [False, True])
def test_an_instance_with_other_libraries_is_refused_and_both_are_named(
    plan_with: Callable[[dict[str, str]], PlannedRecords], aihub: Path, tree: Tree, tmp_path: Path, in_process: None,
    retry_rejects: bool,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    run(aihub, out, plan_with({}))
    before = tree(out)
    said = r"--out .*: built with numpy \S+, and this machine has numpy 1\.2\.3, .*"
    with pytest.raises(UserError, match=said) as caught:
        run(aihub, out, plan_with({"numpy": "1.2.3"}), retry_rejects=retry_rejects)
    assert "\n" not in str(caught.value)
    assert "opencv" not in str(caught.value)
    assert tree(out) == before


def test_a_folder_from_before_libraries_were_noted_is_refused(
    plan_with: Callable[[dict[str, str]], PlannedRecords], aihub: Path, tmp_path: Path, in_process: None
) -> None:
    out, planned = tmp_path / "out", plan_with({})
    run(aihub, out, planned)
    old = Plan.model_validate_json((out / PLAN).read_bytes()).model_copy(update={"libraries": {}})
    (out / PLAN).write_text(old.model_dump_json(), encoding="utf-8")
    with pytest.raises(UserError, match="an earlier release"):
        run(aihub, out, planned)


def test_a_worker_with_other_libraries_builds_nothing(
    plan_with: Callable[[dict[str, str]], PlannedRecords], aihub: Path, tmp_path: Path, in_process: None
) -> None:
    with pytest.raises(UserError, match=r"built with numpy 1\.2\.3, and this machine has numpy"):
        run(aihub, tmp_path / "out", plan_with({"numpy": "1.2.3"}))
    assert not list((tmp_path / "out").glob("*.tar*"))


def test_two_instances_that_claim_a_folder_at_once_do_not_mix(
    plan_with: Callable[[dict[str, str]], PlannedRecords], aihub: Path, tmp_path: Path, in_process: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out, ours, theirs = tmp_path / "out", plan_with({}), plan_with({"numpy": "1.2.3"})
    folder: Any = import_module("preprocess.sharding.folder")
    seen: Sequence[Plan | None] = [None, theirs.plan]
    plans = iter(seen)
    monkeypatch.setattr(folder, "read_plan", lambda _out: next(plans))
    with pytest.raises(UserError, match=r"built with numpy 1\.2\.3"):
        run(aihub, out, ours)
    assert not list(out.glob("*.tar"))

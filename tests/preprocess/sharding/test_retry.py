"""--retry-rejects: only what was rejected is taken up, and the folder ends as if it had never been otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builds import run

from common.errors import UserError
from preprocess.planning.plan import PlannedRecords
from preprocess.sharding import Node
from schemas import Plan

Tree = Callable[[Path], dict[str, bytes]]
PlanOf = Callable[[Path], PlannedRecords]
Looks = Callable[[int], Path]

pytestmark = pytest.mark.usefixtures("in_process")


def break_file(root: Path, name: str) -> Callable[[], int]:
    """Empty a file; calling the result mends it."""
    path = next(root.rglob(name))
    good = path.read_bytes()
    path.write_bytes(b"")
    return lambda: path.write_bytes(good)


def remove_file(root: Path, name: str) -> Callable[[], int]:
    path = next(root.rglob(name))
    good = path.read_bytes()
    path.unlink()
    return lambda: path.write_bytes(good)


def scramble_file(root: Path, name: str) -> Callable[[], int]:
    """Make a file worthless and leave its size as it is."""
    path = next(root.rglob(name))
    good = path.read_bytes()
    path.write_bytes(b"\0" * len(good))
    return lambda: path.write_bytes(good)


@pytest.mark.parametrize("damage", [break_file, remove_file, scramble_file], ids=["empty", "missing", "same-size"])
def test_mended_records_join_and_other_shards_keep_their_bytes(
    damage: Callable[[Path, str], Callable[[], int]], looks: Looks, plan_of: PlanOf, tree: Tree, tmp_path: Path
) -> None:
    root, out = looks(6), tmp_path / "out"
    mend = damage(root, "Item-Image/1008003_F.jpg")
    before = run(root, out, plan_of(root))
    assert before.manifest.rejects == 1
    others = [out / f"train-00000{number}.tar" for number in (0, 2)]
    stamps = [path.stat().st_mtime_ns for path in others]
    mend()
    after = run(root, out, plan_of(root), retry_rejects=True)
    run(root, tmp_path / "fresh", plan_of(root))
    assert (after.records_built, after.shards_found, after.manifest.rejects) == (2, 2, 0)
    assert [path.stat().st_mtime_ns for path in others] == stamps
    assert tree(out) == tree(tmp_path / "fresh")


def test_a_reject_that_goes_moves_the_records_behind_it(
    looks: Looks, plan_of: PlanOf, tree: Tree, tmp_path: Path, edit: Callable[[Path, Callable[[Any], None]], None]
) -> None:
    """The pose was missing, so the view was guessed; repaired, it shows a side view, which is excluded."""
    root, out = looks(6), tmp_path / "out"
    mend = remove_file(root, "Model-Pose/1008_A003_000.json")
    assert run(root, out, plan_of(root)).manifest.rejects_by_reason == {"missing-person-pose": 1}
    mend()
    edit(next(root.rglob("Model-Pose/1008_A003_000.json")), lambda pose: pose.update(view_point=-1))
    after = run(root, out, plan_of(root), retry_rejects=True)
    assert (after.manifest.records, after.manifest.rejects, after.shards_found) == (5, 0, 1)
    run(root, tmp_path / "fresh", plan_of(root))
    assert tree(out) == tree(tmp_path / "fresh")


def test_shards_that_the_new_plan_lacks_go(looks: Looks, plan_of: PlanOf, tree: Tree, tmp_path: Path) -> None:
    root, out = looks(3), tmp_path / "out"
    remove_file(root, "Model-Image/1008_A003_000.jpg")
    assert run(root, out, plan_of(root)).manifest.rejects == 1
    listed = next(root.rglob("winfo_train.json"))
    listed.write_text(json.dumps(json.loads(listed.read_text())[:2]))
    run(root, out, plan_of(root), retry_rejects=True)
    run(root, tmp_path / "fresh", plan_of(root))
    assert tree(out) == tree(tmp_path / "fresh")


def test_a_rejected_record_that_is_still_bad_is_rejected_again(
    looks: Looks, plan_of: PlanOf, tree: Tree, tmp_path: Path
) -> None:
    root, out = looks(4), tmp_path / "out"
    break_file(root, "Item-Image/1008003_F.jpg")
    run(root, out, plan_of(root))
    whole = tree(out)
    assert run(root, out, plan_of(root), retry_rejects=True).records_built == 2
    assert tree(out) == whole


def test_mended_files_without_the_option_are_another_plan(looks: Looks, plan_of: PlanOf, tmp_path: Path) -> None:
    root, out = looks(2), tmp_path / "out"
    mend = break_file(root, "Item-Image/1008002_F.jpg")
    run(root, out, plan_of(root))
    mend()
    with pytest.raises(UserError, match="--retry-rejects after repairing files of rejected records"):
        run(root, out, plan_of(root))


def unlist(root: Path, look: str) -> None:
    next(root.rglob(f"Model-Image/{look}_000.jpg")).unlink()
    listed = next(root.rglob("winfo_train.json"))
    listed.write_text(json.dumps([row for row in json.loads(listed.read_text()) if look not in row["wearing"]]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda root: break_file(root, "Item-Image/1008001_F.jpg"), "inputs of .* in train-000000.tar have changed"),
        (lambda root: unlist(root, "1008_A004"), "inputs of .* in train-000001.tar have gone"),
    ],
    ids=["changed", "gone"],
)
def test_a_retry_never_changes_a_sample(
    change: Callable[[Path], None], said: str, looks: Looks, plan_of: PlanOf, tree: Tree, tmp_path: Path
) -> None:
    root, out = looks(4), tmp_path / "out"
    mend = break_file(root, "Item-Image/1008003_F.jpg")
    run(root, out, plan_of(root))
    whole = tree(out)
    mend()
    change(root)
    with pytest.raises(UserError, match=said):
        run(root, out, plan_of(root), retry_rejects=True)
    assert tree(out) == whole


def test_a_retry_needs_a_folder_its_options_and_one_node(looks: Looks, plan_of: PlanOf, tmp_path: Path) -> None:
    root, out = looks(2), tmp_path / "out"
    planned = plan_of(root)
    with pytest.raises(UserError, match="no shards to retry"):
        run(root, out, planned, retry_rejects=True)
    run(root, out, planned)
    options = planned.plan.configuration.model_copy(update={"jpeg_quality": 90})
    other = PlannedRecords(
        Plan(**{**dict(planned.plan), "configuration": options}), planned.records, planned.digests
    )  # fmt: skip
    with pytest.raises(UserError, match="other options"):
        run(root, out, other, retry_rejects=True)
    with pytest.raises(UserError, match="one node"):
        run(root, out, planned, retry_rejects=True, node=Node(0, 2))

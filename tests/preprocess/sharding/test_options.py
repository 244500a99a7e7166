"""Slices for several nodes, the limit of rejects, and the dry run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from builds import run

from common.errors import UserError
from preprocess.planning.plan import PlannedRecords
from preprocess.sharding import Node, RejectLimitError, estimate
from preprocess.sources import Files

Tree = Callable[[Path], dict[str, bytes]]
PlanOf = Callable[[Path], PlannedRecords]
Looks = Callable[[int], Path]

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_nodes_fill_one_folder_and_the_last_writes_the_manifest(
    order: tuple[int, ...], looks: Looks, plan_of: PlanOf, tree: Tree, tmp_path: Path
) -> None:
    root, out = looks(8), tmp_path / "out"
    planned = plan_of(root)
    run(root, tmp_path / "alone", planned)
    missing = []
    for rank in order:
        assert not (out / "manifest.json").exists()
        missing.append(run(root, out, planned, node=Node(rank, 3)).shards_missing)
    assert missing[-1] == 0
    assert missing[0] > missing[1] > 0
    assert tree(out) == tree(tmp_path / "alone")
    assert run(root, out, planned, node=Node(0, 3)).records_built == 0
    assert tree(out) == tree(tmp_path / "alone")


def test_a_node_builds_its_own_shards_only(looks: Looks, plan_of: PlanOf, tmp_path: Path) -> None:
    root, out = looks(8), tmp_path / "out"
    summary = run(root, out, plan_of(root), node=Node(1, 2))
    assert sorted(path.name for path in out.glob("*.tar")) == ["train-000001.tar", "train-000003.tar"]
    assert (summary.records_built, summary.shards_missing, summary.manifest.samples) == (4, 2, 4)


@pytest.mark.parametrize(("rank", "count"), [(2, 2), (-1, 2), (0, 0)])
def test_a_rank_is_one_of_the_nodes(rank: int, count: int) -> None:
    with pytest.raises(UserError, match="--node-rank"):
        Node(rank, count)


def test_a_folder_whose_plan_was_exchanged_gets_no_manifest(
    looks: Looks, plan_of: PlanOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two nodes that were given different data claim an empty folder in the same moment."""
    root, out = looks(2), tmp_path / "out"
    planned = plan_of(root)
    (root / "more").mkdir()
    other = plan_of(root).plan.model_copy(update={"fingerprint": "f" * 64})
    monkeypatch.setattr("common.storage.local.remove_stale", lambda *_: (out / "plan.json").write_text(
        other.model_dump_json()
    ))  # fmt: skip
    with pytest.raises(UserError, match="other inputs or options"):
        run(root, out, planned)
    assert not (out / "manifest.json").exists()


def spoil(root: Path, count: int) -> None:
    for path in sorted(root.rglob("Item-Image/*.jpg"))[:count]:
        path.write_bytes(b"")


def test_a_run_that_goes_wrong_stops_early(
    looks: Looks, plan_of: PlanOf, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("preprocess.sharding.shared_counts._ENOUGH", 5)
    root, out = looks(12), tmp_path / "out"
    spoil(root, 8)
    with pytest.raises(RejectLimitError, match=r"^5 of 5 .* 100.0%, and --max-reject-rate is 20.0%: 5 bad-image$"):
        run(root, out, plan_of(root), max_reject_rate=0.2)
    names = ["plan.json", *(f"train-00000{n}.{end}" for n in range(2) for end in ("index.json", "tar"))]
    assert list(tree(out)) == names
    with pytest.raises(RejectLimitError):
        run(root, out, plan_of(root), max_reject_rate=0.79)
    summary = run(root, out, plan_of(root), max_reject_rate=1.0)
    assert summary.reject_rate == pytest.approx(8 / 12)
    run(root, tmp_path / "fresh", plan_of(root))
    assert tree(out) == tree(tmp_path / "fresh")


def test_few_records_do_not_stop_a_run(looks: Looks, plan_of: PlanOf, tmp_path: Path) -> None:
    root = looks(4)
    spoil(root, 4)
    assert run(root, tmp_path / "out", plan_of(root), max_reject_rate=0.0).reject_rate == 1.0


def test_a_dry_run_predicts_the_build(looks: Looks, plan_of: PlanOf, tmp_path: Path) -> None:
    root, out = looks(6), tmp_path / "out"
    spoil(root, 1)
    planned = plan_of(root)
    said = estimate(Files(root), out, planned, 2)
    assert not out.exists()
    assert (said.records, said.records_by_split, said.shards, said.shards_done) == (6, {"train": 6}, 3, 0)
    assert (said.sampled, said.rejected) == (6, 1)
    assert said.seconds > 0
    run(root, out, planned, node=Node(0, 2))
    again = estimate(Files(root), out, planned, 2)
    assert (again.records, again.shards, again.shards_done) == (2, 1, 2)
    run(root, out, planned)
    built = sum(path.stat().st_size for path in out.iterdir())
    assert said.bytes == pytest.approx(built, rel=0.1)
    assert estimate(Files(root), out, planned, 2).records == 0


def test_a_dry_run_meets_the_other_plan_first(looks: Looks, plan_of: PlanOf, tmp_path: Path) -> None:
    root, out = looks(2), tmp_path / "out"
    run(root, out, plan_of(root))
    spoil(root, 1)
    with pytest.raises(UserError, match="other inputs or options"):
        estimate(Files(root), out, plan_of(root), 1)

"""`--check`: an input whose content changed at equal size and time is found, and a sound folder is not accused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from builds import run

from common.errors import UserError
from common.storage import LocalStorage
from preprocess.planning.plan import PlannedRecords
from preprocess.sharding import check_content
from preprocess.sources import Files
from schemas import ShardIndex

PlanOf = Callable[[Path], PlannedRecords]
Looks = Callable[[int], Path]


def check(root: Path, out: Path, planned: PlannedRecords, workers: int = 1) -> int:
    return check_content(Files(root), LocalStorage(out), planned, workers, lambda done, total: None)


def change(path: Path) -> None:
    """Change one byte, and set the time back."""
    data, before = bytearray(path.read_bytes()), path.stat()
    place = max(i for i, byte in enumerate(data) if byte in b"123456789") if path.suffix == ".json" else len(data) // 2
    data[place] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    "pattern",
    [
        "Model-Image/1008_A002_000.jpg", "Item-Image/1008002_F.jpg", "Model-Pose/1008_A002_000.json",
        "Model-Parse/1008_A002_000.json", "Item-Parse/1008002_F.json",
    ],
)  # fmt: skip
def test_a_file_that_changed_at_equal_size_and_time_is_found(
    looks: Looks, plan_of: PlanOf, tmp_path: Path, in_process: None, pattern: str, workers: int
) -> None:
    root, out = looks(3), tmp_path / "out"
    planned = plan_of(root)
    run(root, out, planned)
    assert check(root, out, planned, workers) == 3
    change(next(root.rglob(pattern)))
    assert plan_of(root).plan == planned.plan
    with pytest.raises(UserError, match=r"inputs of 1 of 3 samples have changed .*: \S*1008_A002\S*; ") as caught:
        check(root, out, plan_of(root), workers)
    assert "\n" not in str(caught.value)


def test_rejects_and_unfinished_shards_are_not_checked(
    looks: Looks, plan_of: PlanOf, tmp_path: Path, in_process: None
) -> None:
    root, out = looks(3), tmp_path / "out"
    next(root.rglob("Item-Image/1008001_F.jpg")).write_bytes(b"")
    planned = plan_of(root)
    assert check(root, out, planned) == 0
    run(root, out, planned)
    (out / "train-000001.index.json").unlink()
    assert check(root, out, planned) == 1


def test_shards_of_other_inputs_are_refused(looks: Looks, plan_of: PlanOf, tmp_path: Path, in_process: None) -> None:
    out = tmp_path / "out"
    run(looks(3), out, plan_of(looks(3)))
    root = looks(4)
    with pytest.raises(UserError, match="other inputs"):
        check(root, out, plan_of(root))


def test_every_sample_has_the_digest_of_its_inputs(
    looks: Looks, plan_of: PlanOf, tmp_path: Path, in_process: None
) -> None:
    root, out = looks(3), tmp_path / "out"
    run(root, out, plan_of(root))
    content = {
        sample.key: sample.content
        for path in out.glob("*.index.json")
        for sample in ShardIndex.model_validate_json(path.read_bytes()).samples
    }
    assert len(content) == 3
    assert all(len(digest) == 16 for digest in content.values())

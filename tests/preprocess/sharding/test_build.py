"""From a plan to a folder of shards: complete, repeatable, and picked up where it was left."""

import gc
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset
from configurations import CONFIGURATION
from PIL import Image

from common.errors import UserError
from common.storage import LocalStorage
from preprocess.planning.pairing import records
from preprocess.planning.plan import PlannedRecords, make_plan
from preprocess.sharding import RejectLimitError, Summary, build, estimate
from preprocess.sharding.build import in_worker_processes
from preprocess.sharding.pool import Job
from preprocess.sharding.shard import ShardWork, build_shard
from preprocess.sharding.shared_counts import RejectCounter
from preprocess.sources import Files
from preprocess.sources.aihub import open_aihub
from schemas import MEMBERS, Manifest, PlannedShard, Sample, ShardIndex, check_pose

LABELS = "01.데이터/1.Training/라벨링데이터_230515_add/2021_Fashion_train_labels_v230428"


def plan_of(root: Path) -> PlannedRecords:
    files = Files(root)
    return make_plan(files, list(records(open_aihub(files), "upper")), CONFIGURATION)


def run(root: Path, out: Path, workers: int = 1) -> Summary:
    return build(Files(root), out, plan_of(root), workers, lambda done, total: None)


def work_of(planned: PlannedRecords, shard: PlannedShard) -> ShardWork:
    plan = planned.plan
    return ShardWork(shard, planned.records[shard.name], planned.digests, plan.configuration, plan.fingerprint)


def tally() -> RejectCounter:
    return RejectCounter(None, 0, 0)


def tree(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _rename_first(index: Path, key: str) -> None:
    document = json.loads(index.read_text())
    document["samples"][0]["key"] = key
    index.write_text(json.dumps(document))


@pytest.fixture
def built(aihub: Path, tmp_path: Path) -> Path:
    out = tmp_path / "shards"
    run(aihub, out)
    return out


def test_the_folder_holds_plan_shards_indices_rejects_and_manifest(built: Path) -> None:
    names = ["manifest.json", "plan.json", "rejects.jsonl", "train-000000.index.json", "train-000000.tar"]
    assert list(tree(built)) == names
    manifest = Manifest.model_validate_json((built / "manifest.json").read_bytes())
    assert (manifest.records, manifest.samples, manifest.rejects) == (2, 2, 0)
    assert manifest.shards[0].bytes == (built / "train-000000.tar").stat().st_size


def test_members_of_a_sample(built: Path) -> None:
    with tarfile.open(built / "train-000000.tar") as tar:
        members = {member.name: member for member in tar.getmembers()}
        first = "train_1008_A001_000_1008001_F"
        assert list(members)[: len(MEMBERS)] == [f"{first}.{ending}" for ending in MEMBERS]
        assert all(member.mtime == 0 and member.isreg() for member in members.values())

        def read(ending: str) -> bytes:
            file = tar.extractfile(members[f"{first}.{ending}"])
            assert file is not None
            return file.read()

        for ending, size in (
            ("person.jpg", 1024),
            ("person_256.jpg", 256),
            ("agnostic.png", 256),
            ("garment.png", 256),
        ):
            picture = Image.open(io.BytesIO(read(ending)))
            assert (picture.size, picture.mode) == ((size, size), "RGB")
        for ending in ("jp.npy", "jg.npy"):
            check_pose(np.load(io.BytesIO(read(ending)), allow_pickle=False))
        sample = Sample.model_validate_json(read("json"))
    assert (sample.key, sample.look, sample.item) == (first, "1008_A001", "1008001_F")


@pytest.mark.filterwarnings("ignore:Exception ignored")  # webdataset leaves its file to the garbage collector
def test_plain_webdataset_reads_the_shards(built: Path) -> None:
    dataset = webdataset.WebDataset(str(built / "train-000000.tar"), shardshuffle=False).decode("rgb8")
    samples = list(dataset)
    gc.collect()
    assert [sample["__key__"] for sample in samples] == [
        "train_1008_A001_000_1008001_F",
        "train_1008_A002_000_1008002_F",
    ]
    assert samples[0]["agnostic.png"].shape == (256, 256, 3)
    assert samples[0]["jp.npy"].dtype == np.float32
    assert samples[0]["json"]["garment"] == "upper"


def test_the_index_points_at_the_members_bytes(built: Path) -> None:
    index = ShardIndex.model_validate_json((built / "train-000000.index.json").read_bytes())
    data = (built / "train-000000.tar").read_bytes()
    with tarfile.open(built / "train-000000.tar") as tar:
        for sample in index.samples:
            for ending, (offset, size) in sample.members.items():
                file = tar.extractfile(f"{sample.key}.{ending}")
                assert file is not None
                assert file.read() == data[offset : offset + size]


def test_the_bytes_do_not_depend_on_workers_or_time(aihub: Path, built: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    run(aihub, again, workers=2)
    assert tree(again) == tree(built)


def test_a_second_run_finds_everything_done(aihub: Path, built: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in built.glob("train-*")}
    assert run(aihub, built).records_built == 0
    assert {path: path.stat().st_mtime_ns for path in built.glob("train-*")} == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda out: (out / "train-000000.index.json").unlink(),
        lambda out: (out / "train-000000.tar").unlink(),
        lambda out: (out / "train-000000.tar").write_bytes(b"half"),
        lambda out: (out / "train-000000.index.json").write_bytes(b"{"),
        lambda out: _rename_first(out / "train-000000.index.json", "../../evil"),
        lambda out: (out / "manifest.json").unlink(),
        lambda out: (out / "train-000000.tar.4711.tmp").write_bytes(b"left by a run that was killed"),
    ],
    ids=["no-index", "no-tar", "cut-tar", "cut-index", "hostile-key", "no-manifest", "leftover"],
)
def test_an_interrupted_run_resumes_to_the_same_bytes(
    aihub: Path, built: Path, damage: Callable[[Path], Any]
) -> None:  # fmt: skip
    whole = tree(built)
    damage(built)
    run(aihub, built)
    assert tree(built) == whole


def test_a_folder_never_holds_two_plans(aihub: Path, built: Path) -> None:
    whole = tree(built)
    (aihub / LABELS / "winfo_train.json").write_text(
        json.dumps([{"wearing": "1008_A001_000.jpg", "main_top": "1008001", "bottom": "1008002"}])
    )
    with pytest.raises(UserError, match="other inputs or options"):
        run(aihub, built)
    assert tree(built) == whole


def test_a_bad_record_becomes_a_reject_with_its_reason(aihub: Path, tmp_path: Path) -> None:
    next(aihub.rglob("Model-Image/1008_A001_000.jpg")).write_bytes(b"\xff\xd8 cut")
    next(aihub.rglob("Item-Pose/1008002_F.json")).unlink()
    manifest = run(aihub, tmp_path / "out").manifest
    assert (manifest.records, manifest.samples, manifest.rejects) == (2, 0, 2)
    assert manifest.rejects_by_reason == {"bad-image": 1, "missing-product-pose": 1}
    rejects = [json.loads(line) for line in (tmp_path / "out/rejects.jsonl").read_text().splitlines()]
    assert rejects[0]["path"].endswith("1008_A001_000.jpg")


def test_a_person_that_two_records_share_is_decoded_once(aihub: Path, tmp_path: Path, monkeypatch: Any) -> None:
    rows = [{"wearing": "1008_A001_000.jpg", "main_top": "1008001", "bottom": "1008002"}]
    (aihub / LABELS / "winfo_train.json").write_text(json.dumps(rows))
    files = Files(aihub)
    found = [record for record in records(open_aihub(files), "all") if record.look == "1008_A001"]
    assert len(found) == 2
    planned = make_plan(files, found, CONFIGURATION.model_copy(update={"garment": "all"}))
    reads: list[str] = []
    read = files.read

    def counted(path: str) -> bytes:
        reads.append(path)
        return read(path)

    monkeypatch.setattr(files, "read", counted)
    shard = planned.plan.shards[0]
    work = work_of(planned, shard)
    out = tmp_path / "out"
    out.mkdir()
    assert len(build_shard(files, LocalStorage(out), work, tally()).samples) == 2
    assert sum("Model-Image" in path for path in reads) == 1


def test_a_bug_leaves_nothing_under_a_final_name(aihub: Path, tmp_path: Path, monkeypatch: Any) -> None:
    planned = plan_of(aihub)
    shard = planned.plan.shards[0]
    work = work_of(planned, shard)
    monkeypatch.setattr("preprocess.sharding.sample.person_side", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build_shard(Files(aihub), LocalStorage(tmp_path), work, tally())
    assert list(tmp_path.glob("*.tar*")) == list(tmp_path.glob("*.json")) == []


def test_worker_processes_stop_together_when_too_much_is_rejected(
    looks: Callable[[int], Path], tmp_path: Path
) -> None:  # fmt: skip
    root = looks(110)
    for path in root.rglob("Item-Image/*.jpg"):
        path.write_bytes(b"")
    with pytest.raises(RejectLimitError, match="bad-image") as raised:
        build(Files(root), tmp_path / "out", plan_of(root), 2, lambda done, total: None, max_reject_rate=0.5)
    assert raised.value.records == raised.value.rejects >= 100
    assert sum(raised.value.reasons.values()) == raised.value.rejects
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert not any(name.endswith(".tmp") for name in names)
    assert "manifest.json" not in names


def test_a_dry_run_measures_in_a_worker_process(aihub: Path, tmp_path: Path) -> None:
    said = estimate(Files(aihub), tmp_path / "out", plan_of(aihub), 2)
    assert (said.records, said.shards, said.sampled) == (2, 1, 2)
    assert not (tmp_path / "out").exists()


class Deadly:
    """Kills the process that receives it, as the kernel does where memory is short."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (9,)


def test_a_worker_that_is_killed_is_one_line(tmp_path: Path) -> None:
    job = Job(Files(tmp_path), LocalStorage(tmp_path), tally())
    with pytest.raises(UserError, match=f"--out {tmp_path}: a worker was killed"):
        list(in_worker_processes(job, [Deadly()], 1))  # type: ignore[list-item]

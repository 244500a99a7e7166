from dataclasses import replace
from pathlib import Path

import pytest
from configurations import CONFIGURATION

from common.errors import UserError
from preprocess.planning.plan import make_plan
from preprocess.sources import Files, Record

RECORD = Record(
    part="train", split="train", pairing="item", look="1008_A001", frame="000", item="1008001", side="F",
    garment="upper", view="front",
    person_image="a.jpg", person_pose="", person_parse="", product_image="b.jpg", product_pose="", product_parse="",
)  # fmt: skip


def many(count: int, split: str = "train") -> list[Record]:
    return [replace(RECORD, look=f"1008_A{n:03d}", part=split, split=split) for n in range(count)]  # type: ignore[arg-type]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    (tmp_path / "a.jpg").write_bytes(b"123")
    return Files(tmp_path)


def test_every_record_is_in_one_shard_in_order(files: Files) -> None:
    planned = make_plan(files, [*many(70)[::-1], *many(20, "val")], CONFIGURATION)
    assert [(shard.name, shard.records) for shard in planned.plan.shards] == [
        ("train-000000.tar", 16), ("train-000001.tar", 16), ("train-000002.tar", 16), ("train-000003.tar", 16),
        ("train-000004.tar", 6), ("val-000000.tar", 16), ("val-000001.tar", 4),
    ]  # fmt: skip
    looks = [record.look for shard in planned.plan.shards for record in planned.records[shard.name]]
    assert looks == [r.look for r in many(70)] + [r.look for r in many(20)]


def test_shards_grow_with_the_data_up_to_a_limit(files: Files) -> None:
    assert make_plan(files, many(3200), CONFIGURATION).plan.shards[0].records == 100
    assert make_plan(files, many(40_000), CONFIGURATION).plan.shards[0].records == 1024


def test_the_plan_is_a_function_of_records_sizes_and_configuration(files: Files) -> None:
    first = make_plan(files, many(3), CONFIGURATION).plan
    assert make_plan(files, many(3)[::-1], CONFIGURATION).plan == first
    others = [
        make_plan(files, many(4), CONFIGURATION),
        make_plan(files, many(3), CONFIGURATION.model_copy(update={"jpeg_quality": 90})),
        make_plan(files, [replace(r, view="back") for r in many(3)], CONFIGURATION),
    ]
    (files.root / "a.jpg").write_bytes(b"1234")
    others.append(make_plan(files, many(3), CONFIGURATION))
    fingerprints = {planned.plan.fingerprint for planned in others}
    assert len(fingerprints) == 4
    assert first.fingerprint not in fingerprints


def test_two_records_with_one_key_are_named(files: Files) -> None:
    with pytest.raises(UserError, match="train_1008_A000_000_1008001_F"):
        make_plan(files, many(1) * 2, CONFIGURATION)


def test_a_changed_input_changes_its_own_shard_and_record_only(files: Files) -> None:
    records = [replace(record, person_image=f"{n}.jpg") for n, record in enumerate(many(20))]
    first = make_plan(files, records, CONFIGURATION)
    (files.root / "17.jpg").write_bytes(b"12345")
    second = make_plan(files, records, CONFIGURATION)
    assert [one == other for one, other in zip(first.plan.shards, second.plan.shards, strict=True)] == [True, False]
    changed = {key for key, digest in first.digests.items() if second.digests[key] != digest}
    assert changed == {records[17].key}
    assert first.plan.fingerprint != second.plan.fingerprint

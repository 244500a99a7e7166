"""Every kind of damage to a good folder is found and named."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from preprocess.inspection.verification import Problem, Report

Check = Callable[[Any], Report]
FIRST, SECOND, VAL = "train-000000.tar", "train-000001.tar", "val-000000.tar"


def said(report: Report) -> str:
    return "\n".join(map(str, report.problems))


def test_a_good_folder_has_no_problem(folder: Any, check: Check) -> None:
    report = check(folder)
    assert report.problems == ()
    assert (report.samples, report.rejects, report.shards, report.ok) == (4, 1, 3, True)


def cut(folder: Any, at: Callable[[list[tarfile.TarInfo]], int]) -> None:
    path = folder.path / FIRST
    with tarfile.open(path) as tar:
        size = at(tar.getmembers())
    os.truncate(path, size)
    folder.seal()


def test_a_tar_cut_at_a_members_boundary(folder: Any, check: Check) -> None:
    """webdataset reads the samples before the cut and says nothing."""
    cut(folder, lambda members: members[7].offset)
    report = check(folder)
    assert "train_L1.person.jpg: cut at a member's boundary" in said(report)
    assert Problem(FIRST, "train_L2", "", "in the index, but not in the tar") in report.problems


def test_a_tar_cut_inside_a_member(folder: Any, check: Check) -> None:
    """webdataset emits half a sample."""
    cut(folder, lambda members: members[9].offset_data + 100)
    report = check(folder)
    assert "train_L2.garment.png: cut inside a member" in said(report)
    assert Problem(FIRST, "train_L2", "jp.npy", "missing: half a sample") in report.problems


@pytest.mark.parametrize(
    ("at", "what"),
    [
        (lambda members: members[9].offset + 100, "cut inside a member's header"),
        (lambda members: members[-1].offset_data + -(-members[-1].size // 512) * 512 + 512, "cut inside the end mark"),
        (lambda members: 0, "cut at a member's boundary"),
    ],
    ids=["header", "end-marker", "empty"],
)
def test_a_tar_cut_elsewhere(at: Callable[[Any], int], what: str, folder: Any, check: Check) -> None:
    cut(folder, at)
    assert what in said(check(folder))


def test_a_partial_shard_under_its_final_name(folder: Any, check: Check) -> None:
    """webdataset's ShardWriter leaves a well-formed tar of the samples that came before an exception."""
    folder.write(FIRST, folder.members(FIRST)[:7])
    index = folder.index(FIRST)
    folder.write_index(index.model_copy(update={"samples": index.samples[:1]}))
    text = said(check(folder))
    assert f"{FIRST}: 2 records were planned, but samples + rejects = 1: records are lost" in text
    assert "5 records were planned: 1 are neither samples nor rejects" in text


def test_a_sample_split_by_keys_that_are_not_contiguous(folder: Any, check: Check) -> None:
    files = folder.members(FIRST)
    folder.write(FIRST, files[:3] + files[7:] + files[3:7])
    assert "train_L1: not all members of the key lie next to each other" in said(check(folder))


def test_samples_merged_under_one_key(folder: Any, check: Check) -> None:
    files = folder.members(FIRST)
    folder.write(FIRST, files[:7] + [(name.replace("L2", "L1"), data) for name, data in files[7:]])
    text = said(check(folder))
    assert "train_L1.garment.png: comes 2 times: samples are merged" in text
    assert "train_L2: in the index, but not in the tar" in text


def test_a_key_with_a_dot(folder: Any, check: Check) -> None:
    files = folder.members(FIRST)
    folder.write(FIRST, files[:7] + [(name.replace("L2", "L1.5"), data) for name, data in files[7:]])
    assert "train_L1.5: the key holds a dot" in said(check(folder))


@pytest.mark.parametrize("key", ["../evil", "/evil", "a/b"])
def test_a_key_that_would_name_a_file_elsewhere(key: str, folder: Any, check: Check) -> None:
    files = folder.members(FIRST)
    folder.write(FIRST, files[:7] + [(name.replace("train_L2", key), data) for name, data in files[7:]])
    text = said(check(folder))
    assert "would name a file elsewhere" in text or "the key holds a dot" in text
    folder.edit("train-000000.index.json", lambda index: index["samples"][1].update(key=key))
    report = check(folder)
    assert "does not fit the schema: 1 validation error for ShardIndex samples.1.key" in said(report)


@pytest.mark.parametrize("ending", ["cls.pyd", "pkl", "model.pth"])
def test_a_member_that_webdataset_would_unpickle(ending: str, folder: Any, check: Check) -> None:
    files = folder.members(FIRST)
    folder.write(FIRST, [*files[:7], (f"train_L1.{ending}", pickle.dumps(1)), *files[7:]])
    text = said(check(folder))
    assert f"train_L1.{ending}: no member of a sample, and webdataset runs the code in it" in text


def test_a_pickle_in_the_place_of_a_pose_is_not_run(folder: Any, check: Check, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    buffer = io.BytesIO()
    np.save(buffer, np.array([Trap()], dtype=object), allow_pickle=True)
    for data in (buffer.getvalue(), pickle.dumps(Trap())):
        folder.replace(FIRST, "train_L1.jp.npy", data)
        assert "train_L1.jp.npy: " in said(check(folder))
    assert not (tmp_path / "ran").exists()


def test_a_changed_bit(folder: Any, check: Check) -> None:
    data = bytearray((folder.path / FIRST).read_bytes())
    data[600] ^= 1
    (folder.path / FIRST).write_bytes(data)
    assert Problem(FIRST, "", "", "sha256 is not the index's: bytes have changed") in check(folder).problems


def test_bytes_that_cannot_be_repeated(folder: Any, check: Check) -> None:
    with tarfile.open(folder.path / FIRST, "w", format=tarfile.USTAR_FORMAT) as tar:
        info = tarfile.TarInfo("train_L1.json")
        info.mtime = 1_700_000_000
        tar.addfile(info)
    folder.seal()
    assert "train_L1.json: mtime, owner or mode are not the fixed ones" in said(check(folder))


@pytest.mark.parametrize(
    ("name", "kind", "what"),
    [
        ("train_L1.person.jpg", tarfile.SYMTYPE, "a symlink, not a file"),
        ("train_L1.person.jpg", tarfile.LNKTYPE, "a hard link, not a file"),
        ("train_L1.person.jpg", tarfile.DIRTYPE, "a folder, not a file"),
        ("../train_L1.person.jpg", tarfile.REGTYPE, "leads out of the folder"),
        ("/train_L1.person.jpg", tarfile.REGTYPE, "leads out of the folder"),
        ("a/train_L1.person.jpg", tarfile.REGTYPE, "a name with a folder in it"),
    ],
)
def test_an_entry_that_is_no_plain_member(name: str, kind: bytes, what: str, folder: Any, check: Check) -> None:
    with tarfile.open(folder.path / FIRST, "w", format=tarfile.USTAR_FORMAT) as tar:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)
    folder.seal()
    assert what in said(check(folder))


def test_bytes_after_the_end_marker(folder: Any, check: Check) -> None:
    """Two tars put together: readers stop at the end of the first."""
    with (folder.path / FIRST).open("ab") as file:
        file.write((folder.path / SECOND).read_bytes())
    folder.seal()
    assert "bytes after the end marker" in said(check(folder))


def test_no_tar_at_all(folder: Any, check: Check) -> None:
    (folder.path / FIRST).write_bytes(b"hello" * 1000)
    folder.seal()
    assert "no tar header" in said(check(folder))


def test_an_index_that_points_elsewhere(folder: Any, check: Check) -> None:
    def shift(index: Any) -> None:
        index["samples"][0]["members"]["jp.npy"][0] += 512

    folder.edit("train-000000.index.json", shift)
    assert "train_L1.jp.npy: lies at" in said(check(folder))


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("train-000000.index.json", f"{FIRST}: train-000000.index.json is missing"),
        ("train-000000.tar", f"{FIRST}: cannot be read"),
        ("rejects.jsonl", "rejects.jsonl: missing"),
        ("manifest.json", "manifest.json: missing"),
    ],
)
def test_a_missing_file(name: str, what: str, folder: Any, check: Check) -> None:
    (folder.path / name).unlink()
    assert what in said(check(folder))


@pytest.mark.parametrize(
    ("name", "how", "what"),
    [
        ("manifest.json", lambda d: d.update(samples=9), "manifest.json: samples is 9, but 4 by the indices"),
        ("manifest.json", lambda d: d["shards"].pop(), f"{VAL}: its entry in manifest.json differs from its index"),
        ("manifest.json", lambda d: d.update(rejects="x"), "manifest.json: does not fit the schema"),
        ("train-000001.index.json", lambda d: d["rejects"].clear(), "samples + rejects = 1: records are lost"),
        ("train-000001.index.json", lambda d: d.update(fingerprint="e"), "belongs to another plan (e)"),
        ("train-000001.index.json", lambda d: d.update(digest="e"), "belongs to another shard than the planned one"),
        ("train-000001.index.json", lambda d: d.update(mended={"turned-image": 1}), "counts other repaired faults"),
        ("train-000001.index.json", lambda d: d.update(more=1), "does not fit the schema"),
        ("plan.json", lambda d: d.update(records=6), "plan.json: 6 records, but its shards have a different total"),
    ],
)
def test_documents_that_disagree(
    name: str, how: Callable[[Any], Any], what: str, folder: Any, check: Check
) -> None:  # fmt: skip
    folder.edit(name, how)
    assert what in said(check(folder))


def test_rejects_that_disagree_with_the_indices(folder: Any, check: Check) -> None:
    path = folder.path / "rejects.jsonl"
    line = path.read_bytes()
    path.write_bytes(b"")
    assert "rejects.jsonl: lacks a reject of the indices" in said(check(folder))
    path.write_bytes(line + b"{}\n")
    assert "rejects.jsonl: has a line that no index has: {}" in said(check(folder))
    path.write_bytes(line * 2)
    assert "rejects.jsonl: lines are repeated" in said(check(folder))


def test_leftovers_and_foreign_files(folder: Any, check: Check) -> None:
    (folder.path / f"{FIRST}.0123.tmp").write_bytes(b"")
    (folder.path / "train-000007.tar").write_bytes(b"")
    (folder.path / "notes").mkdir()
    (folder.path / VAL).rename(folder.path.parent / VAL)
    (folder.path / VAL).symlink_to(folder.path.parent / VAL)
    places = {problem.shard: problem.problem for problem in check(folder).problems}
    assert places == {
        f"{FIRST}.0123.tmp": "a temporary file of a killed run, or of one that is still running",
        "train-000007.tar": "does not belong to the plan",
        "notes": "does not belong to the plan",
        VAL: "a link or a folder, not a file",
    }


def test_verifying_changes_nothing(folder: Any, check: Check) -> None:
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.path.iterdir()}
    check(folder)
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.path.iterdir()} == before

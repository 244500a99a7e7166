"""Finished folders extended, merged and divided: the bytes of shards stay, and nothing is half done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from builds import run
from click.testing import CliRunner
from s3_server import BUCKET, S3Server, running_s3

from common.errors import UserError
from common.storage.local import LocalStorage
from preprocess.cli import cli
from preprocess.inspection.verification import verify
from preprocess.planning.plan import PlannedRecords
from preprocess.sharding.reshaping.merging import merge
from preprocess.sharding.reshaping.selection import read_conditions
from preprocess.sharding.reshaping.subsets import subset
from schemas import MANIFEST, Manifest, Sample
from train.data import ShardFolder

pytestmark = pytest.mark.usefixtures("in_process")
Tree = Callable[[Path], dict[str, bytes]]
PlanOf = Callable[[Path], PlannedRecords]
Looks = Callable[[int], Path]


def silent(_done: int, _total: int) -> None:
    """Show no progress."""


def tars(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.tar"))}


def command(*words: str | Path) -> Any:
    return CliRunner().invoke(cli, list(map(str, words)))


def extend(out: Path, root: Path) -> Any:
    return command("extend", "--shards", out, "--src", root, "--workers", "1")


def without_rejects(root: Path) -> None:
    """Make look 3 a reject."""
    next(root.rglob("Item-Image/1008003_F.jpg")).write_bytes(b"")


@pytest.fixture
def base(looks: Looks, plan_of: PlanOf, tmp_path: Path) -> Path:
    """Shards of three looks, the last one a reject."""
    root = looks(3)
    without_rejects(root)
    run(root, tmp_path / "base", plan_of(root))
    return tmp_path / "base"


def test_new_records_get_new_shards_and_the_old_tars_stay(base: Path, looks: Looks) -> None:
    old, places = tars(base), {path.name: path.stat().st_ino for path in base.glob("*.tar")}
    root = looks(6)
    without_rejects(root)
    done = extend(base, root)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0] == "3 new records in 2 new shards"
    new = tars(base)
    assert {name: new[name] for name in old} == old
    assert {name: (base / name).stat().st_ino for name in old} == places
    assert sorted(set(new) - set(old)) == ["train-000002.tar", "train-000003.tar"]
    assert verify(base, 1, silent).problems == ()
    manifest = Manifest.model_validate_json((base / MANIFEST).read_bytes())
    assert (manifest.records, manifest.samples, manifest.rejects) == (6, 5, 1)
    assert len(ShardFolder(base, "train")) == 5
    again = extend(base, root)
    assert isinstance(again.exception, UserError)
    assert "nothing to add: 6 of 6 records are in it" in str(again.exception)
    assert tars(base) == new


def test_an_interrupted_extension_resumes_to_the_same_bytes(
    base: Path, looks: Looks, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = looks(6)
    without_rejects(root)
    whole = tmp_path / "whole"
    whole.mkdir()
    for name, data in tree(base).items():
        (whole / name).write_bytes(data)
    assert extend(whole, root).exit_code == 0
    for most in range(1, 7):  # killed before the first write, the second, …
        with monkeypatch.context() as patched:
            _fail_after(patched, most)
            extend(base, root)
        leftover = [name for name in tree(base) if name.endswith(".tar") and name not in tree(whole)]
        assert not leftover
    assert extend(base, root).exit_code == 0 or MANIFEST in tree(base)
    assert tree(base) == tree(whole)


def _fail_after(patched: pytest.MonkeyPatch, writes: int) -> None:
    left = [writes]
    write = LocalStorage.write

    def failing(self: LocalStorage, name: str, data: bytes) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(5, "killed")
        write(self, name, data)

    patched.setattr(LocalStorage, "write", failing)


def test_a_changed_input_of_an_old_sample_is_refused(base: Path, looks: Looks) -> None:
    root = looks(5)
    without_rejects(root)
    path = next(root.rglob("Model-Pose/1008_A001_000.json"))
    path.write_text(path.read_text(encoding="utf-8") + " ", encoding="utf-8")
    before = tars(base)
    done = extend(base, root)
    assert isinstance(done.exception, UserError)
    assert "inputs of train_1008_A001_000_1008001_F have changed" in str(done.exception)
    assert tars(base) == before
    assert MANIFEST in {path.name for path in base.iterdir()}


def test_extending_needs_a_finished_folder(base: Path, looks: Looks, tmp_path: Path) -> None:
    (base / MANIFEST).unlink()
    for folder, said in ((base, "not finished; run the command that builds it again"), (tmp_path, "no plan.json")):
        done = extend(folder, looks(4))
        assert isinstance(done.exception, UserError)
        assert said in str(done.exception)


def test_subset_keeps_the_bytes_of_members(looks: Looks, plan_of: PlanOf, tmp_path: Path, tree: Tree) -> None:
    root = looks(4)
    run(root, tmp_path / "whole", plan_of(root))
    done = command("subset", "--shards", tmp_path / "whole", "--where", "item~1008002", "--out", tmp_path / "part")
    assert done.stdout == f"1 sample (1 train) in 1 shard: {tmp_path}/part/manifest.json\n"
    whole, part = ShardFolder(tmp_path / "whole", "train"), ShardFolder(tmp_path / "part", "train")
    place = whole.keys.index(part.keys[0])
    members = ("person.jpg", "person_256.jpg", "agnostic.png", "garment.png", "jp.npy", "jg.npy", "json")
    assert part.read(0, *members) == whole.read(place, *members)
    assert verify(tmp_path / "part", 1, silent).problems == ()
    assert part.manifest.configuration.where == ("item~1008002",)
    first = tree(tmp_path / "part")
    command("subset", "--shards", tmp_path / "whole", "--where", "item~1008002", "--out", tmp_path / "part")
    assert tree(tmp_path / "part") == first


def test_merging_parts_gives_the_whole_again(looks: Looks, plan_of: PlanOf, tmp_path: Path, tree: Tree) -> None:
    root = looks(4)
    run(root, tmp_path / "whole", plan_of(root))
    subset(tmp_path / "whole", tmp_path / "a", ["look!=1008_A003", "look!=1008_A004"], silent)
    subset(tmp_path / "whole", tmp_path / "b", ["look!=1008_A001", "look!=1008_A002"], silent)
    before = tree(tmp_path / "a")
    done = command("merge", "--shards", tmp_path / "a", "--shards", tmp_path / "b", "--out", tmp_path / "all")
    assert done.stdout == f"4 samples (4 train) in 2 shards: {tmp_path}/all/manifest.json\n"
    assert tars(tmp_path / "all") == tars(tmp_path / "whole")
    assert tree(tmp_path / "a") == before
    assert verify(tmp_path / "all", 1, silent).problems == ()
    assert ShardFolder(tmp_path / "all", "train").keys == ShardFolder(tmp_path / "whole", "train").keys


def test_an_interrupted_merge_resumes_to_the_same_bytes(
    looks: Looks, plan_of: PlanOf, tmp_path: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = looks(4)
    run(root, tmp_path / "whole", plan_of(root))
    for name, looked in (("a", "1008_A003"), ("b", "1008_A001")):
        other = f"1008_A00{int(looked[-1]) + 1}"
        subset(tmp_path / "whole", tmp_path / name, [f"look!={looked}", f"look!={other}"], silent)
    folders = [tmp_path / "a", tmp_path / "b"]
    merge(folders, tmp_path / "once", silent)
    for most in range(1, 3):
        with monkeypatch.context() as patched:
            _fail_after(patched, most)
            with pytest.raises(UserError, match="killed"):
                merge(folders, tmp_path / "often", silent)
        assert MANIFEST not in tree(tmp_path / "often")
    merge(folders, tmp_path / "often", silent)
    assert tree(tmp_path / "often") == tree(tmp_path / "once")


def test_what_cannot_be_merged_is_one_line(base: Path, looks: Looks, tmp_path: Path) -> None:
    built = command(
        "build-shards", "--src", looks(2), "--out", tmp_path / "small", "--target-size", "512", "--workers", "1"
    )
    assert built.exit_code == 0, built.output
    for folders, out, said in (
        ((base, tmp_path / "small"), "out", "its samples have other sizes, formats or members"),
        ((base, base), "out", "is in"),
        ((base,), "out", "a single folder"),
        ((base, tmp_path / "gone"), "out", "no manifest.json"),
    ):
        words = [word for folder in folders for word in ("--shards", folder)]
        done = command("merge", *words, "--out", tmp_path / out)
        assert isinstance(done.exception, UserError), done.output
        assert said in str(done.exception)
        assert "\n" not in str(done.exception)
        assert not (tmp_path / out).exists()


def test_a_folder_is_not_written_into_itself(base: Path, tree: Tree) -> None:
    before = tree(base)
    with pytest.raises(UserError, match="is one of --shards"):
        subset(base, base, ["garment=upper"], silent)
    assert tree(base) == before


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("garment", "give FIELD=VALUE"),
        ("colour=red", "a sample has no field colour; there is"),
        ("person.crop.area>3", "a sample has no field person.crop.area"),
        ("garment>3", "is 'upper', and compared as a number"),
        ("garment=dress", "no sample of"),
        ("garment=='upper'", "fulfils it; garment is upper"),
        ("person.width<3", "fulfils it; person.width is 7"),
    ],
)
def test_a_condition_that_says_nothing_is_one_line(where: str, said: str, base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        subset(base, tmp_path / "out", [where], silent)
    assert said in str(error.value)
    assert not (tmp_path / "out").exists()


def test_conditions(base: Path) -> None:
    sample = ShardFolder(base, "train").sample(0)
    assert isinstance(sample, Sample)
    for where, holds in (
        ("garment=upper", True), ("garment != upper", False), ("person.width>=720", True), ("person.width<720", False),
        ("item~1008001", True), ("item!~1008001", False), ("mended~bad-pose", False), ("mended!~bad-pose", True),
        ("product_pose.origin=annotated", True), ("garment == upper", True), ("worn=true", True), ("worn!=true", False),
        ("worn=False", False), ("worn~true", True), ("worn!~true", False), ("worn~True", True), ("worn~fals", False),
    ):  # fmt: skip
        (condition,) = read_conditions([where])
        assert condition.holds(sample) is holds, where
    (condition,) = read_conditions(["worn=false"])
    assert condition.holds(sample.model_copy(update={"worn": False}))


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with running_s3(monkeypatch) as server:
        yield server


def test_to_and_from_an_object_store(s3: S3Server, base: Path, tmp_path: Path) -> None:
    url = f"s3://{BUCKET}/part"
    subset(base, url, ["garment=upper"], silent)
    subset(base, tmp_path / "part", ["garment=upper"], silent)
    local = {path.name: path.read_bytes() for path in (tmp_path / "part").iterdir()}
    assert s3.objects("part") == local
    assert json.loads(local[MANIFEST])["samples"] == 2
    subset(url, tmp_path / "back", ["garment=upper"], silent)
    assert tars(tmp_path / "back") == tars(tmp_path / "part")

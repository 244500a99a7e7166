"""A dataset behind links, and one that is a zip."""

import shutil
import zipfile
from pathlib import Path

import pytest

from common.errors import UserError
from preprocess.faults import Fault, RecordError, Tally
from preprocess.planning.datasets import recognise
from preprocess.sources import Files
from preprocess.sources.dress_code import open_dress_code
from preprocess.sources.viton_hd import open_viton_hd


def write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())


def viton_hd(root: Path) -> None:
    write(root, "train/image/00006_00.jpg", "train/cloth/00006_00.jpg", "train/cloth-mask/00006_00.jpg")
    (root / "train_pairs.txt").write_text("00006_00.jpg 00006_00.jpg")


def zipped(root: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(root))
    return path


def walked(files: Files) -> tuple[list[str], Tally]:
    found = Tally()
    return [f"{folder}/{name}".lstrip("/") for folder, names in files.walk(found) for name in names], found


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A dataset whose only folders are links to another disk."""
    viton_hd(tmp_path / "disk")
    root = tmp_path / "set"
    root.mkdir()
    (root / "train").symlink_to(tmp_path / "disk/train")
    (root / "train_pairs.txt").symlink_to(tmp_path / "disk/train_pairs.txt")
    return root


def test_links_are_counted_and_an_empty_result_names_the_option(linked: Path) -> None:
    paths, found = walked(Files(linked))
    assert paths == ["train_pairs.txt"]
    assert found.examples == {Fault.LINKED_FOLDER: ["train"]}
    with pytest.raises(UserError, match=r"linked folders: 1 skipped, add --follow-links"):
        recognise(Files(linked))


def test_links_are_followed_where_that_is_asked_for(linked: Path) -> None:
    files = Files(linked, follow_links=True)
    assert recognise(files) == "viton-hd"
    (record,) = open_viton_hd(files).records("upper", "item", "matching")
    assert files.read(record.person_image) == b"train/image/00006_00.jpg"
    assert files.size(record.person_image) == len("train/image/00006_00.jpg")
    assert not walked(files)[1].counts
    with pytest.raises(RecordError, match="outside"):
        files.read("../disk/train_pairs.txt")


def test_links_in_a_circle_end(linked: Path) -> None:
    disk = linked.parent / "disk"
    (disk / "train/again").symlink_to(linked)
    (disk / "train/self").symlink_to(disk / "train/self")
    for number in range(20):  # without care, 2^20 folders
        (disk / f"train/image/all-{number}").symlink_to(disk)
    paths, found = walked(Files(linked, follow_links=True))
    assert sorted(path.rpartition("/")[2] for path in paths) == [
        *["00006_00.jpg"] * 3, "train_pairs.txt", "train_pairs.txt",
    ]  # fmt: skip
    assert found.counts == {Fault.NOT_A_FILE: 1}


def test_a_dataset_may_be_one_zip(tmp_path: Path) -> None:
    viton_hd(tmp_path / "data")
    path = zipped(tmp_path / "data", tmp_path / "set.zip")
    write(tmp_path, "set/train/image/other.jpg", "upper_body/images/1_0.jpg")  # beside it, and no part of it
    files = Files(path)
    assert recognise(files) == "viton-hd"
    (record,) = open_viton_hd(files).records("upper", "item", "matching")
    assert record.person_image == "set/train/image/00006_00.jpg"
    assert files.read(record.person_image) == b"train/image/00006_00.jpg"
    assert files.stamp(record.person_image)[0] == len("train/image/00006_00.jpg")


def test_a_zip_of_dress_code(tmp_path: Path) -> None:
    write(tmp_path / "data", *(f"upper_body/{name}" for name in (
        "images/1_0.jpg", "images/1_1.jpg", "keypoints/1_2.json", "label_maps/1_4.png",
    )))  # fmt: skip
    (tmp_path / "data/train_pairs.txt").write_text("1_0.jpg\t1_1.jpg\t0")
    files = Files(zipped(tmp_path / "data", tmp_path / "Set.ZIP"))
    assert recognise(files) == "dress-code"
    (record,) = open_dress_code(files).records("all", "item", "matching")
    assert all(files.size(path) > 0 for path in record.inputs if path)


def test_a_zip_in_parts_may_be_given_by_any_part(tmp_path: Path) -> None:
    viton_hd(tmp_path / "data")
    data = zipped(tmp_path / "data", tmp_path / "set.zip").read_bytes()
    (tmp_path / "set.zip").unlink()
    for number, start in enumerate(range(0, len(data), 300), 1):
        (tmp_path / f"set.zip.part{number}").write_bytes(data[start : start + 300])
    assert recognise(Files(tmp_path / "set.zip.part2")) == "viton-hd"


def test_archives_that_cannot_be_read_in_place_are_named(tmp_path: Path) -> None:
    names = ("train.tar.gz", "a/test.tgz", "more.7z.001", "set.RAR", "set.tar.zst")
    write(tmp_path, *names, "photo.tar.jpg", "notes.gz")
    tally = Tally()
    assert ("", ["more.7z.001", "notes.gz", "photo.tar.jpg", "set.RAR", "set.tar.zst", "train.tar.gz"]) in list(
        Files(tmp_path).walk(tally)
    )
    assert tally.counts == {"other-archive": 5}
    assert set(tally.examples[Fault.OTHER_ARCHIVE]) <= set(names)
    with pytest.raises(UserError, match="compressed tars, 7z or rar files: 5 skipped, unpack them"):
        recognise(Files(tmp_path))


def test_a_numbered_zip_without_the_word_part_is_one_zip(tmp_path: Path) -> None:
    write(tmp_path, "image/1.jpg", "cloth/1.jpg")
    shutil.make_archive(str(tmp_path / "set"), "zip", tmp_path, "image")
    data = (tmp_path / "set.zip").read_bytes()
    (tmp_path / "set.zip").unlink()
    for number, start in enumerate(range(0, len(data), 100), 1):
        (tmp_path / f"set.zip.{number:03}").write_bytes(data[start : start + 100])
    assert Files(tmp_path / "set.zip.001").read("set/image/1.jpg") == (tmp_path / "image/1.jpg").read_bytes()
    (tmp_path / "set.zip.002").unlink()
    with pytest.raises(UserError, match=r"set\.zip\.002 is missing"):
        list(Files(tmp_path).walk())


def test_what_is_neither_folder_nor_archive_is_the_users_mistake(tmp_path: Path) -> None:
    write(tmp_path, "set.7z", "set.zip")
    with pytest.raises(UserError, match="neither a folder nor a zip or tar"):
        Files(tmp_path / "set.7z")
    with pytest.raises(UserError, match="no such folder"):
        Files(tmp_path / "nowhere.zip")
    with pytest.raises(UserError, match="the end of the zip is missing"):
        recognise(Files(tmp_path / "set.zip"))
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(tmp_path / "set.zip", "inner.zip")
    with pytest.raises(UserError, match="archives in another: 1 skipped, unpack the outer one"):
        recognise(Files(tmp_path / "outer.zip"))


def test_a_link_that_cannot_be_resolved_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to("nowhere")
    for follow in (False, True):
        paths, found = walked(Files(tmp_path, follow_links=follow))
        assert (paths, found.counts) == ([], {Fault.NOT_A_FILE: 1})

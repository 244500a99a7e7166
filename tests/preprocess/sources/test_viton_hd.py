"""VITON-HD's layouts by names alone: no file here holds anything but what is looked at."""

import re
from pathlib import Path

import pytest
from drawn_sets import write_map

from common.errors import UserError
from preprocess.planning.datasets import open_dataset, recognise
from preprocess.sources import Files, Record
from preprocess.sources.listed import Listed
from preprocess.sources.viton_hd import open_viton_hd


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")


def person(root: Path, split: str, stem: str, parse: str = "image-parse-v3", pose: str = "openpose_json") -> None:
    touch(
        root, f"{split}/image/{stem}.jpg", f"{split}/cloth/{stem}.jpg", f"{split}/cloth-mask/{stem}.jpg",
        f"{split}/{parse}/{stem}.png", f"{split}/{pose}/{stem}_keypoints.json",
    )  # fmt: skip


def opened(root: Path) -> tuple[Listed, list[Record]]:
    data = open_viton_hd(Files(root))
    return data, list(data.records("upper", "item", "matching"))


def test_a_pair_has_all_its_files(tmp_path: Path) -> None:
    person(tmp_path, "train", "00006_00")
    person(tmp_path, "test", "00008_00")
    (tmp_path / "train_pairs.txt").write_text("00006_00.jpg 00006_00.jpg\n")
    (tmp_path / "test_pairs.txt").write_text("00008_00.jpg 00008_00.jpg")
    assert recognise(Files(tmp_path)) == "viton-hd"
    _, (train, val) = opened(tmp_path)
    assert (train.split, train.look, train.frame, train.item) == ("train", "00006", "00", "00006_00")
    assert train.key == "train_00006_00_00006_00_F"
    assert val.split == "val"
    assert (train.garment, train.view, train.pairing, train.labels) == ("upper", "front", "item", "cihp")
    assert train.person_pose == "train/openpose_json/00006_00_keypoints.json"
    assert train.person_parse == "train/image-parse-v3/00006_00.png"
    assert (train.product_image, train.product_parse) == ("train/cloth/00006_00.jpg", "train/cloth-mask/00006_00.jpg")
    assert train.product_pose == ""


@pytest.mark.parametrize(("parse", "pose"), [("image-parse", "openpose-json"), ("image-parse", "openpose_json")])
def test_older_folder_names(tmp_path: Path, parse: str, pose: str) -> None:
    person(tmp_path, "deep/zalando/test", "00006_00", parse, pose)
    touch(tmp_path, "deep/zalando/test/image-parse-agnostic-v3.2/00006_00.png")
    (tmp_path / "deep/zalando/test_pairs.txt").write_text("00006_00.jpg 00006_00.jpg")
    _, (record,) = opened(tmp_path)
    assert record.person_parse.endswith(f"/{parse}/00006_00.png")
    assert record.person_pose.endswith(f"/{pose}/00006_00_keypoints.json")
    assert (record.split, record.labels) == ("val", "cihp")


def test_of_two_parses_the_newer_one_counts(tmp_path: Path) -> None:
    person(tmp_path, "train", "00006_00")
    touch(tmp_path, "train/image-parse/00006_00.png")
    (tmp_path / "train_pairs.txt").write_text("00006_00.jpg 00006_00.jpg")
    data, (record,) = opened(tmp_path)
    assert record.person_parse == "train/image-parse-v3/00006_00.png"
    assert data.found.examples == {"older-duplicate": ["train/image-parse/00006_00.png"]}


@pytest.mark.parametrize("clue", ["folder", "size"])
def test_the_older_viton_has_lip_labels(tmp_path: Path, clue: str) -> None:
    import numpy as np

    touch(tmp_path, "train/image/000001_0.jpg", "train/cloth/000001_1.jpg", "train/cloth-mask/000001_1.jpg")
    if clue == "folder":
        touch(tmp_path, "train/pose/000001_0_keypoints.json", "train/image-parse/000001_0.png")
    else:
        write_map(tmp_path / "train/image-parse/000001_0.png", np.zeros((256, 192), np.uint8))
    (tmp_path / "train_pairs.txt").write_text("000001_0.jpg 000001_1.jpg")
    _, (record,) = opened(tmp_path)
    assert (record.labels, record.look, record.frame, record.item) == ("lip", "000001", "0", "000001_1")
    assert record.product_image == "train/cloth/000001_1.jpg"


def test_of_an_unpaired_row_the_own_garment_is_taken(tmp_path: Path) -> None:
    person(tmp_path, "test", "00006_00")
    person(tmp_path, "test", "00008_00")
    (tmp_path / "test_pairs.txt").write_text("00006_00.jpg 00008_00.jpg\n00008_00.jpg 00006_00.jpg")
    data, found = opened(tmp_path)
    assert [(record.person_image[-12:], record.product_image[-12:]) for record in found] == [
        ("00006_00.jpg", "00006_00.jpg"), ("00008_00.jpg", "00008_00.jpg"),
    ]  # fmt: skip
    assert data.left_out == {"unpaired-row": 2}


def test_an_unpaired_row_of_the_older_viton(tmp_path: Path) -> None:
    touch(tmp_path, "test/image/000001_0.jpg", "test/cloth/000001_1.jpg", "test/cloth/000010_1.jpg")
    touch(tmp_path, "test/pose/000001_0_keypoints.json")
    (tmp_path / "test_pairs.txt").write_text("000001_0.jpg 000010_1.jpg")
    _, (record,) = opened(tmp_path)
    assert record.product_image == "test/cloth/000001_1.jpg"


def test_paired_and_unpaired_lists_together(tmp_path: Path) -> None:
    person(tmp_path, "test", "00006_00")
    (tmp_path / "test_pairs_paired.txt").write_text("00006_00.jpg 00006_00.jpg")
    (tmp_path / "test_pairs_unpaired.txt").write_text("00006_00.jpg 00008_00.jpg")
    data, found = opened(tmp_path)
    assert len(found) == 1
    assert data.left_out == {"unpaired-row": 1}


def test_painted_parses_are_not_taken_for_labels(tmp_path: Path) -> None:
    person(tmp_path, "train", "00006_00")
    (tmp_path / "train/image-parse-v3/00006_00.png").rename(tmp_path / "train/image-parse-v3/00006_00_vis.png")
    (tmp_path / "train_pairs.txt").write_text("00006_00.jpg 00006_00.jpg")
    data, (record,) = opened(tmp_path)
    assert record.person_parse == ""
    assert data.left_out == {"colour-parse": 1}


def test_other_garments_and_pairings_are_not_there(tmp_path: Path) -> None:
    person(tmp_path, "train", "00006_00")
    (tmp_path / "train_pairs.txt").write_text("00006_00.jpg 00006_00.jpg")
    data = open_dataset(Files(tmp_path), "viton-hd")
    assert list(data.records("lower", "item", "all")) == []
    assert data.left_out == {"upper-garment": 1}
    assert list(data.records("upper", "view", "all")) == []
    assert len(list(data.records("all", "both", "front"))) == 1


def test_without_a_list_there_are_no_pairs(tmp_path: Path) -> None:
    person(tmp_path, "train", "00006_00")
    with pytest.raises(UserError, match=re.escape("no train_pairs.txt")):
        open_viton_hd(Files(tmp_path))


def test_two_datasets_in_one_folder_need_an_option(tmp_path: Path) -> None:
    person(tmp_path, "train", "00006_00")
    touch(tmp_path, "upper_body/images/000001_0.jpg")
    with pytest.raises(UserError, match="viton-hd and dress-code"):
        recognise(Files(tmp_path))

"""Dress Code's layout by names alone."""

from pathlib import Path

import pytest

from common.errors import UserError
from preprocess.planning.datasets import recognise
from preprocess.sources import Files, Record
from preprocess.sources.dress_code import CATEGORIES, open_dress_code
from preprocess.sources.listed import Listed


def pair(root: Path, category: str, number: str) -> None:
    for path in (f"images/{number}_0.jpg", f"images/{number}_1.jpg", f"label_maps/{number}_4.png",
                 f"keypoints/{number}_2.json", f"skeletons/{number}_5.jpg", f"dense/{number}_5.png"):  # fmt: skip
        (root / category / path).parent.mkdir(parents=True, exist_ok=True)
        (root / category / path).write_bytes(b"x")


def opened(root: Path) -> tuple[Listed, list[Record]]:
    data = open_dress_code(Files(root))
    return data, list(data.records("all", "item", "matching"))


@pytest.fixture
def three(tmp_path: Path) -> Path:
    for number, category in enumerate(CATEGORIES):
        pair(tmp_path, category, f"02071{number}")
    return tmp_path


def test_lists_at_the_root_name_the_category(three: Path) -> None:
    rows = [f"02071{number}_0.jpg\t02071{number}_1.jpg\t{number}" for number in range(3)]
    (three / "train_pairs.txt").write_text("\n".join(rows[:2]))
    (three / "test_pairs_paired.txt").write_text(rows[2] + "\n\n")
    assert recognise(Files(three)) == "dress-code"
    _, found = opened(three)
    assert [(record.split, record.garment) for record in found] == [
        ("train", "upper"), ("train", "lower"), ("val", "dress"),
    ]  # fmt: skip
    first = found[0]
    assert (first.look, first.frame, first.item) == ("upper_body_020710", "0", "upper_body_020710")
    assert first.key == "train_upper_body_020710_0_upper_body_020710_F"
    assert (first.person_image, first.person_pose, first.person_parse) == (
        "upper_body/images/020710_0.jpg", "upper_body/keypoints/020710_2.json", "upper_body/label_maps/020710_4.png",
    )  # fmt: skip
    assert (first.product_image, first.product_pose, first.product_parse) == ("upper_body/images/020710_1.jpg", "", "")
    assert first.labels == "dress-code"


def test_lists_inside_of_a_category_need_not(three: Path) -> None:
    (three / "dresses/train_pairs.txt").write_text("020712_0.jpg\t020712_1.jpg")
    (three / "train_pairs.txt").write_text("020712_0.jpg\t020712_1.jpg\t2\n")
    data, found = opened(three)
    assert [(record.garment, record.person_image) for record in found] == [("dress", "dresses/images/020712_0.jpg")]
    assert not data.left_out


def test_one_number_in_two_categories_is_two_looks(tmp_path: Path) -> None:
    pair(tmp_path, "upper_body", "000001")
    pair(tmp_path, "lower_body", "000001")
    (tmp_path / "train_pairs.txt").write_text("000001_0.jpg\t000001_1.jpg\t0\n000001_0.jpg\t000001_1.jpg\t1")
    _, found = opened(tmp_path)
    assert len({(record.key, record.look, record.item) for record in found}) == 2


def test_unpaired_rows_and_rows_without_a_category(three: Path) -> None:
    (three / "test_pairs_unpaired.txt").write_text("020710_0.jpg\t020799_1.jpg\t0\n020711_0.jpg\t020711_1.jpg\n")
    data, (record,) = opened(three)
    assert record.product_image == "upper_body/images/020710_1.jpg"
    assert data.left_out == {"unpaired-row": 1, "bad-pair": 1}


def test_painted_maps_and_odd_names_are_skipped(three: Path) -> None:
    (three / "upper_body/label_maps/020710_4_vis.png").write_bytes(b"x")
    (three / "upper_body/images/cover.jpg").write_bytes(b"x")
    (three / "train_pairs.txt").write_text("020710_0.jpg\t020710_1.jpg\t0")
    assert opened(three)[0].left_out == {"colour-parse": 1, "bad-name": 1}


def test_a_garment_is_chosen_by_its_category(three: Path) -> None:
    rows = [f"02071{number}_0.jpg\t02071{number}_1.jpg\t{number}" for number in range(3)]
    (three / "train_pairs.txt").write_text("\n".join(rows))
    data = open_dress_code(Files(three))
    assert [record.garment for record in data.records("lower", "item", "matching")] == ["lower"]
    assert data.left_out == {"upper-garment": 1, "dress-garment": 1}


def test_without_a_list_there_are_no_pairs(three: Path) -> None:
    with pytest.raises(UserError, match="test_pairs_paired"):
        open_dress_code(Files(three))

"""What is linked with training is used in training: nothing of validation has been seen."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from preprocess.planning.splits import find_near_duplicates, keep_together
from preprocess.sources import Files, Record
from schemas import NearDuplicates, Split

RECORD = Record(
    part="train", split="train", pairing="item", look="L", frame="000", item="I", side="F", garment="upper",
    view="front", person_image="", person_pose="", person_parse="", product_image="", product_pose="",
    product_parse="",
)  # fmt: skip
NONE = NearDuplicates(inputs="", pairs=())


def record(part: Split, look: str, item: str, **more: Any) -> Record:
    pictures = {"person_image": f"{part}/{look}.jpg", "product_image": f"{part}/{item}.jpg"}
    return replace(RECORD, part=part, split=part, look=look, item=item, **{**pictures, **more})


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[str, int], None]:
    """Write a picture of as many colours as the seed decides."""

    def write(path: str, seed: int) -> None:
        small = np.random.default_rng(seed).integers(0, 256, (16, 9, 3), dtype=np.uint8)
        pixels = cv2.resize(small, (360, 640), interpolation=cv2.INTER_CUBIC)
        (tmp_path / path).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / path), pixels, [cv2.IMWRITE_JPEG_QUALITY, 70 + seed % 25])

    return write


def splits(root: Path, records: list[Record]) -> list[Split]:
    files = Files(root)
    found = find_near_duplicates(files, records, 1, lambda done, total: None)
    return [one.split for one in keep_together(files, records, found)]


def test_parts_that_share_nothing_stay_as_they_are(tmp_path: Path, picture: Any) -> None:
    records = [record("train", "A", "1"), record("val", "B", "2")]
    for seed, one in enumerate(records):
        picture(one.person_image, 2 * seed)
        picture(one.product_image, 2 * seed + 1)
    assert splits(tmp_path, records) == ["train", "val"]


def test_a_garment_whose_image_is_in_both_splits_moves_its_look_and_that_looks_garments(
    tmp_path: Path, picture: Any
) -> None:  # fmt: skip
    records = [
        record("train", "A", "1"), record("val", "B", "2"), record("val", "B", "3"), record("val", "C", "3"),
        record("val", "D", "4"),
    ]  # fmt: skip
    pictures = {path for one in records for path in (one.person_image, one.product_image)}
    for seed, path in enumerate(sorted(pictures)):
        picture(path, seed)
    (tmp_path / "val/2.jpg").write_bytes((tmp_path / "train/1.jpg").read_bytes())
    assert splits(tmp_path, records) == ["train", "train", "train", "train", "val"]


def test_one_id_with_two_different_images_is_two_garments(tmp_path: Path, picture: Any) -> None:
    records = [record("train", "A", "1"), record("val", "B", "1")]
    for seed, path in enumerate(("train/A.jpg", "train/1.jpg", "val/B.jpg", "val/1.jpg")):
        picture(path, seed)
    assert splits(tmp_path, records) == ["train", "val"]


def test_one_id_is_one_garment_unless_images_differ(tmp_path: Path, picture: Any) -> None:
    records = [record("train", "A", "1"), record("val", "B", "1", product_image="")]
    for seed, path in enumerate(("train/A.jpg", "train/1.jpg", "val/B.jpg")):
        picture(path, seed)
    assert splits(tmp_path, records) == ["train", "train"]


def test_one_look_is_one_look(tmp_path: Path) -> None:
    files = Files(tmp_path)
    moved = keep_together(files, [record("train", "A", "1"), record("val", "A", "2")], NONE)
    assert [one.split for one in moved] == ["train", "train"]
    assert [one.part for one in moved] == ["train", "val"]
    assert len({one.key for one in moved}) == 2


def test_the_garment_of_a_frame_links_looks_not_items(tmp_path: Path) -> None:
    pair = NearDuplicates(inputs="", pairs=(("val/x.jpg", "train/y.jpg"),))
    records = [
        record("train", "A", "1", pairing="view", product_image="train/y.jpg"),
        record("val", "B", "2", pairing="view", product_image="val/x.jpg"),
        record("val", "C", "3"),
    ]
    assert [one.split for one in keep_together(Files(tmp_path), records, pair)] == ["train", "train", "val"]


def test_near_duplicates_are_kept_for_the_same_images_only(tmp_path: Path, picture: Any) -> None:
    records = [record("train", "A", "1"), record("val", "B", "2")]
    for seed, path in enumerate(("train/A.jpg", "train/1.jpg", "val/B.jpg", "val/2.jpg")):
        picture(path, seed)
    files, calls = Files(tmp_path), []
    first = find_near_duplicates(files, records, 1, lambda done, total: calls.append(done))
    made = len(calls)
    assert find_near_duplicates(files, records, 1, lambda done, total: calls.append(done), first) == first
    assert len(calls) == made
    (tmp_path / "val/2.jpg").write_bytes((tmp_path / "train/1.jpg").read_bytes() + b"more")
    again = find_near_duplicates(files, records, 1, lambda done, total: None, first)
    assert again.pairs == (("val/2.jpg", "train/1.jpg"),)


def test_the_number_of_threads_changes_nothing(
    tmp_path: Path, picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr("preprocess.planning.splits._CHUNK", 2)
    records = [record("train", "A", "1"), record("val", "B", "2")]
    for path in ("train/A.jpg", "train/1.jpg", "val/B.jpg", "val/2.jpg"):
        picture(path, 5 if path.endswith(("1.jpg", "2.jpg")) else len(path) + ord(path[-5]))
    files = Files(tmp_path)
    one, two = (find_near_duplicates(files, records, workers, lambda done, total: None) for workers in (1, 2))
    assert one == two
    assert one.pairs == (("val/2.jpg", "train/1.jpg"),)

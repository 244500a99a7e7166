"""One picture under two names, in training and in test, as in many copies of the older VITON."""

from pathlib import Path

from drawn_sets import write_viton_hd
from PIL import Image

from preprocess.planning.datasets import open_dataset
from preprocess.planning.splits import find_near_duplicates, keep_together
from preprocess.sources import Files, Record


def splits(root: Path) -> dict[str, str]:
    files = Files(root)
    found: list[Record] = list(open_dataset(files, "viton-hd").records("upper", "item", "matching"))
    near_duplicates = find_near_duplicates(files, found, 1, lambda done, total: None)
    return {record.look: record.split for record in keep_together(files, found, near_duplicates)}


def test_a_test_image_that_training_holds_moves_to_training(tmp_path: Path) -> None:
    write_viton_hd(tmp_path, "train", "00001_00", seed=1)
    write_viton_hd(tmp_path, "test", "00002_00", seed=2)
    write_viton_hd(tmp_path, "test", "00003_00", seed=3)
    (tmp_path / "train_pairs.txt").write_text("00001_00.jpg 00001_00.jpg")
    (tmp_path / "test_pairs.txt").write_text("00002_00.jpg 00002_00.jpg\n00003_00.jpg 00003_00.jpg")
    assert splits(tmp_path) == {"00001": "train", "00002": "val", "00003": "val"}
    picture = Image.open(tmp_path / "train/image/00001_00.jpg")
    picture.save(tmp_path / "test/image/00003_00.jpg", quality=70)  # other bytes, the same picture
    assert splits(tmp_path) == {"00001": "train", "00002": "val", "00003": "train"}

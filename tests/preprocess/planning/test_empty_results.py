"""Why a dataset gives no pair: one line with the true cause."""

from pathlib import Path

import pytest

from common.errors import UserError
from preprocess.planning.datasets import check_not_empty, open_dataset
from preprocess.sources import Files
from schemas import Configuration, Garment, Pairing


def checked(root: Path, garment: Garment = "upper", pairing: Pairing = "item") -> str:
    configuration = Configuration(
        source="viton-hd", garment=garment, pairing=pairing, views="matching", linings=False, target_size=1024,
        conditioning_size=256, jpeg_quality=95,
    )  # fmt: skip
    files = Files(root)
    try:
        data = open_dataset(files, "viton-hd")
        check_not_empty(files, data, list(data.records(garment, pairing, "matching")), configuration)
    except UserError as error:
        message = str(error)
    else:
        pytest.fail("there are pairs")
    assert "\n" not in message
    return message


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A dataset of one pair."""
    for folder in ("image", "cloth"):
        (tmp_path / "train" / folder).mkdir(parents=True)
        (tmp_path / "train" / folder / "00006_00.jpg").touch()
    (tmp_path / "train_pairs.txt").write_text("00006_00.jpg 00006_00.jpg")
    return tmp_path


def test_no_list(one: Path) -> None:
    (one / "train_pairs.txt").unlink()
    assert "no train_pairs.txt or test_pairs.txt" in checked(one)


def test_an_empty_list(one: Path) -> None:
    (one / "train_pairs.txt").write_text("\n\n")
    assert "train_pairs.txt: no row in it" in checked(one)


def test_no_row_is_a_pair(one: Path) -> None:
    (one / "train_pairs.txt").write_text("00006_00.jpg\n00008_00.jpg\n")
    assert "no row is a usable pair: 2 bad-pair (train_pairs.txt, line 1)" in checked(one)


def test_an_unpaired_list_alone(one: Path) -> None:
    (one / "train_pairs.txt").rename(one / "test_pairs_unpaired.txt")
    (one / "test_pairs_unpaired.txt").write_text("anna.jpg coat.jpg")
    assert "1 worn-unknown" in checked(one)


def test_the_options_exclude_all(one: Path) -> None:
    assert "exclude all (1 upper-garment): --garment lower" in checked(one, "lower")
    assert "--pairing view needs several images" in checked(one, pairing="view")


def test_no_name_has_a_file(one: Path) -> None:
    (one / "train_pairs.txt").write_text("anna.jpg shirt.jpg")
    assert "no person in train_pairs.txt has an image, e.g. anna" in checked(one)
    (one / "train_pairs.txt").write_text("00006_00.jpg shirt.jpg")
    (one / "train/cloth/00006_00.jpg").unlink()
    assert "none of the garments in train_pairs.txt has an image, e.g. shirt" in checked(one)

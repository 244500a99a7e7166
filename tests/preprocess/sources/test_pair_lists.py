from pathlib import Path

import pytest

from common.errors import UserError
from preprocess.faults import Fault, Tally
from preprocess.sources.files import Files
from preprocess.sources.pair_lists import Row, list_split, read_list


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train_pairs.txt", "train"),
        ("test_pairs.txt", "val"),
        ("test_pairs_paired.txt", "val"),
        ("test_pairs_unpaired.txt", "val"),
        ("valid_pairs.txt", "val"),
        ("readme.txt", None),
        ("train_pairs.csv", "train"),
        ("test_pairs_unpaired_1018.txt", "val"),
    ],
)
def test_names_of_lists(name: str, split: str | None) -> None:
    assert list_split(name) == split


@pytest.mark.parametrize(
    "text",
    [
        "00006_00.jpg 00006_00.jpg\n00008_00.jpg 00008_00.jpg\n",
        "00006_00.jpg\t00006_00.jpg\n00008_00.jpg\t00008_00.jpg",
        "\ufeff00006_00.jpg 00006_00.jpg\r\n\r\n00008_00.jpg  00008_00.jpg\r\n",
        "image/00006_00.jpg cloth/00006_00.jpg\n\n\n00008_00.jpg 00008_00.jpg",
    ],
    ids=["spaces", "tabs-without-end", "windows", "folders-and-blank-lines"],
)
def test_a_list_in_every_variant(tmp_path: Path, text: str) -> None:
    (tmp_path / "test_pairs.txt").write_text(text, encoding="utf-8", newline="")
    found = Tally()
    rows = list(read_list(Files(tmp_path), "test_pairs.txt", found))
    assert rows == [Row("00006_00", "00006_00", ""), Row("00008_00", "00008_00", "")]
    assert not found.counts


def test_a_third_column_is_the_category(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("020714_0.jpg\t020714_1.jpg\t2")
    assert list(read_list(Files(tmp_path), "a.txt", Tally())) == [Row("020714_0", "020714_1", "2")]


def test_what_is_no_row_is_counted_and_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one.jpg\na.jpg b.jpg 0 1\na.jpg b*.jpg\na.jpg b.jpg\na.jpg b.jpg\n")
    found = Tally()
    assert len(list(read_list(Files(tmp_path), "a.txt", found))) == 1
    assert found.counts == {"bad-pair": 3, "repeated-pair": 1}
    assert found.examples[Fault.REPEATED_PAIR] == ["a.txt, line 5"]


@pytest.mark.parametrize("line", ["x" * 200_000, "x" * 200_000 + ",y", "x," * 100_000, "x " * 100_000, '"' * 200_000])
def test_a_line_of_any_length_is_counted(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.txt").write_text(f"a.jpg b.jpg\n{line}\n")
    found = Tally()
    assert list(read_list(Files(tmp_path), "a.txt", found)) == [Row("a", "b", "")]
    assert found.counts == {"bad-pair": 1}


def test_a_list_that_is_no_text_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"a\.txt"):
        list(read_list(Files(tmp_path), "a.txt", Tally()))

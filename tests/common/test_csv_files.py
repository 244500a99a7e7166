"""Lists of pairs: what both programs accept and refuse of them."""

from pathlib import Path

import pytest

from common.csv_files import pair_rows
from common.errors import UserError

LIST = Path("pairs.csv")


def rows(text: str, *, ignored: tuple[str, ...] = ()) -> list[tuple[int, dict[str, str]]]:
    return list(pair_rows(text, "--pairs", LIST, ("person", "garment", "kind"), ignored=ignored))


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_lines_are_numbered_and_empty_ones_skipped(between: str) -> None:
    text = "Person, GARMENT\na.jpg,b.jpg\n,\nc.jpg,d.jpg\n".replace(",", between)
    assert rows(text) == [
        (2, {"person": "a.jpg", "garment": "b.jpg"}), (4, {"person": "c.jpg", "garment": "d.jpg"}),
    ]  # fmt: skip


def test_a_missing_field_is_empty() -> None:
    assert rows("person,garment,kind\na.jpg,b.jpg\n") == [(2, {"person": "a.jpg", "garment": "b.jpg", "kind": ""})]


def test_an_ignored_column_is_accepted_and_not_named() -> None:
    assert rows("person,garment,worn\na.jpg,b.jpg,yes\n", ignored=("worn",))
    with pytest.raises(UserError, match=r"--pairs pairs\.csv: the first line must be person,garment,kind, not"):
        rows("person,garment,worn\na.jpg,b.jpg,yes\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("person,kind\na.jpg,upper\n", "the first line must be"),
        ("person,garment\na.jpg,b.jpg,c.jpg\n", "pairs.csv, line 2: more fields than the first line"),
        (f"person,garment\na.jpg,{'x' * 200_000}\n", "larger than field limit"),
    ],
)
def test_mistakes_are_one_line(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        rows(text)
    assert "\n" not in str(error.value)

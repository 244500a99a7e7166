"""The list of `trainer try-on --pairs`, and which garments can be worn together."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import UserError
from train.inference.outfits.pairs_list import read_requests


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("anna.jpg", "people/ben.jpg", "top.jpg", "garments/jeans.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def listed(folder: Path, text: str) -> Path:
    path = folder / "pairs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_line_names_a_person_garments_and_their_kinds(folder: Path) -> None:
    text = (
        "\ufeffPerson;Garment;Kind\nanna.jpg;top.jpg;upper\n\nben.jpg;top.jpg|jeans.jpg;|lower\nanna.jpg;jeans.jpg;\n"
    )
    requests = read_requests(listed(folder, text))
    assert [request.person.name for request in requests] == ["anna.jpg", "ben.jpg", "anna.jpg"]
    assert requests[1].garments == (folder / "top.jpg", folder / "garments/jeans.jpg")
    assert [request.kinds for request in requests] == [("upper",), (None, "lower"), ()]


def test_the_list_of_prep_annotate_is_read_too(folder: Path) -> None:
    (request,) = read_requests(listed(folder, "person,garment,kind,worn\nben.jpg,jeans.jpg,lower,no\n"))
    assert (request.person, request.kinds) == (folder / "people/ben.jpg", ("lower",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("anna.jpg,top.jpg\n", "the first line must be person,garment,kind"),
        ("person,garment\n", "no pair in it"),
        ("x" * 200_000, "larger than field limit"),
        ("person,garment\nanna.jpg," + "x" * 200_000, "larger than field limit"),
        ("person,garment\nzoe.jpg,top.jpg\n", "line 2: no 'zoe.jpg'"),
        ("person,garment\nanna.jpg,\n", "line 2: .*no garment"),
        ("person,garment,kind\nanna.jpg,top.jpg,hat\n", "line 2: kind 'hat'"),
        ("person,garment,kind\nanna.jpg,top.jpg,upper,more\n", "line 2: more fields"),
        ("person,garment,kind\nanna.jpg,top.jpg|jeans.jpg,upper\n", "line 2: .*1 kind for 2 garments"),
        ("person,garment,kind\nanna.jpg,top.jpg|jeans.jpg,upper|upper\n", "line 2: .*cannot be worn together"),
    ],
)
def test_mistakes_are_named_with_their_line(folder: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_requests(listed(folder, text))


def test_a_missing_list_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--pairs .*No such file"):
        read_requests(tmp_path / "pairs.csv")


def test_a_name_longer_than_any_files_is_a_user_error_of_one_short_line(folder: Path) -> None:
    path = folder / "pairs.csv"
    path.write_text(f"person,garment\n{'a' * 5000}.jpg,red.jpg\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 2: no 'aaa") as refused:
        read_requests(path)
    assert len(str(refused.value)) < 1000

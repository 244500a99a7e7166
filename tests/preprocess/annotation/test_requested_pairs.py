"""The photographs' folder and its pairs file: every mistake is named with its line."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from common.errors import UserError
from preprocess.annotation.requested_pairs import Pair, read_pairs
from preprocess.sources.files import normal


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    src = tmp_path / "photos"
    for name in ("people/anna.jpg", "people/ben.jpg", "garments/red.jpg", "garments/blue.jpg", "garments/skirt.jpg"):
        (src / name).parent.mkdir(parents=True, exist_ok=True)
        (src / name).write_bytes(b"")
    return src


def write(photos: Path, text: str) -> None:
    (photos / "pairs.csv").write_text(text, encoding="utf-8")


def listed(photos: Path) -> list[Pair]:
    return read_pairs(photos, photos.parent / "out").pairs


def names(pairs: list[Pair]) -> list[tuple[str, str]]:
    return [(pair.person.file, pair.garment.file) for pair in pairs]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_template_is_written_to_out_and_nothing_beside_the_photographs(photos: Path, tmp_path: Path) -> None:
    before, out = contents(photos), tmp_path / "out"
    with pytest.raises(UserError, match=r"out/pairs\.csv: no list of pairs, so this template was written: on each"):
        read_pairs(photos, out)
    assert contents(photos) == before
    assert (out / "pairs.csv").read_text().splitlines() == [
        "person,garment,kind,worn", "anna.jpg,blue.jpg,upper,no", "ben.jpg,red.jpg,upper,no",
        "ben.jpg,skirt.jpg,upper,no",
    ]  # fmt: skip
    assert [pair.garment.file for pair in read_pairs(photos, out).pairs] == ["blue.jpg", "red.jpg", "skirt.jpg"]


def test_a_list_beside_the_photographs_and_a_given_one_come_before_the_template(photos: Path, tmp_path: Path) -> None:
    out, given = tmp_path / "out", tmp_path / "mine.csv"
    with pytest.raises(UserError):
        read_pairs(photos, out)
    write(photos, "person,garment\nanna.jpg,red.jpg\n")
    given.write_text("person,garment\nben.jpg,skirt.jpg\n")
    assert names(read_pairs(photos, out).pairs) == [("anna.jpg", "red.jpg")]
    assert names(read_pairs(photos, out, listed=given).pairs) == [("ben.jpg", "skirt.jpg")]
    with pytest.raises(UserError, match=r"--pairs .*none\.csv: no such file"):
        read_pairs(photos, out, listed=tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("people", "garments", "wanted"),
    [
        (["anna.jpg"], ["red.jpg"], [("anna.jpg", "red.jpg")]),
        (["a.jpg", "B.jpg"], ["b.png", "a.webp"], [("B.jpg", "b.png"), ("a.jpg", "a.webp")]),
        (["a.jpg", "b.jpg"], ["a.jpg", "b.jpg", "c.jpg"], [("a.jpg", "a.jpg"), ("b.jpg", "b.jpg")]),
        (["a.jpg", "b.jpg", "c.jpg"], ["b.jpg"], [("b.jpg", "b.jpg")]),
        (["김안나.jpg", "Zoë.jpg"], ["Zoë.png", "김안나.png"], [("Zoë.jpg", "Zoë.png"), ("김안나.jpg", "김안나.png")]),
        (
            ["000001_0.jpg", "000002_0.jpg"], ["000001_1.jpg", "000002_1.jpg"],
            [("000001_0.jpg", "000001_1.jpg"), ("000002_0.jpg", "000002_1.jpg")],
        ),
        (
            ["anna-person.jpg", "ben person.jpg"], ["anna_garment.jpg", "ben.jpg"],
            [("anna-person.jpg", "anna_garment.jpg"), ("ben person.jpg", "ben.jpg")],
        ),
    ],
)  # fmt: skip
def test_no_list_is_asked_for_where_the_names_tell(
    tmp_path: Path, people: list[str], garments: list[str], wanted: list[tuple[str, str]]
) -> None:
    src = tmp_path / "src"
    for folder, files in (("people", people), ("garments", garments)):
        (src / folder).mkdir(parents=True)
        for name in files:
            (src / folder / unicodedata.normalize("NFD", name)).touch()
    found = read_pairs(src, tmp_path / "out", kind="dress")
    assert sorted((normal(one), normal(other)) for one, other in names(found.pairs)) == wanted
    assert {(pair.kind, pair.worn) for pair in found.pairs} == {("dress", False)}
    assert "each garment as dress (--kind" in found.notice
    unused = len(people) + len(garments) - 2 * len(wanted)
    said = "1 photograph has no counterpart" if unused == 1 else f"{unused} photographs have no counterpart"
    assert (said in found.notice) == bool(unused)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("people", "garments"),
    [(["a", "b"], ["c", "d"]), (["a", "b"], ["a", "d"]), (["a", "b"], ["c"]), (["a_0", "a-person"], ["a_1", "b_1"])],
)
def test_a_list_is_asked_for_where_they_do_not(tmp_path: Path, people: list[str], garments: list[str]) -> None:
    for folder, stems in (("people", people), ("garments", garments)):
        (tmp_path / "src" / folder).mkdir(parents=True)
        for stem in stems:
            (tmp_path / "src" / folder / f"{stem}.jpg").touch()
    with pytest.raises(UserError, match="template was written"):
        read_pairs(tmp_path / "src", tmp_path / "out")


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_pairs_files_of_spreadsheets_are_read(photos: Path, separator: str) -> None:
    lines = ["\ufeffPerson,Garment,Kind,Worn", "anna.jpg,red.jpg,Upper,YES", "", "ben.jpg,skirt.jpg,lower,", ",,,"]
    write(photos, "\r\n".join(lines).replace(",", separator))
    pairs = listed(photos)
    assert [(pair.person.id, pair.garment.id, pair.kind, pair.split) for pair in pairs] == [
        ("anna", "red", "upper", "train"), ("ben", "skirt", "lower", "val"),
    ]  # fmt: skip


def test_kind_and_worn_are_optional(photos: Path) -> None:
    write(photos, "person,garment\nanna.jpg,red.jpg\n")
    assert [(pair.kind, pair.worn) for pair in listed(photos)] == [("upper", False)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("anna.jpg,red.jpg\n", "first line must be person,garment,kind,worn"),
        ("person,garment,size\nanna.jpg,red.jpg,L\n", "first line must be"),
        ("person,garment,kind,worn\n", "no pairs; give a person"),
        ("x" * 200_000 + "\n", "larger than field limit"),
        ("person,garment,kind,worn\n" + "x" * 200_000 + ",red.jpg,upper,no\n", "larger than field limit"),
        ("person,garment,kind,worn\nana.jpg,red.jpg,upper,no\n", "line 2: no 'ana.jpg' in people/; similar names"),
        ("person,garment,kind,worn\nanna.jpg,,upper,no\n", "line 2: no '' in garments/"),
        ("person,garment,kind,worn\nanna.jpg,red.jpg,hat,no\n", "line 2: kind 'hat'; give one of upper, lower, dress"),
        ("person,garment,kind,worn\nanna.jpg,red.jpg,upper,maybe\n", "line 2: worn 'maybe'; give yes or no"),
        ("person,garment,kind,worn\nanna.jpg,red.jpg,upper,no,x\n", "line 2: more fields"),
        ("person,garment\nanna.jpg,red.jpg\n\nanna.jpg,red.jpg\n", "line 4: the same pair again"),
        ("person,garment,kind\nanna.jpg,red.jpg,upper\nben.jpg,red.jpg,dress\n", "line 3: red.jpg is dress here"),
        (
            "person,garment,kind,worn\nanna.jpg,red.jpg,upper,yes\nanna.jpg,blue.jpg,upper,no\n",
            "line 3: anna.jpg is in a worn pair and in one that is not worn",
        ),
    ],
)  # fmt: skip
def test_an_error_names_its_line(photos: Path, text: str, said: str) -> None:
    write(photos, text)
    with pytest.raises(UserError) as error:
        listed(photos)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_binary_pairs_file_is_refused(photos: Path) -> None:
    (photos / "pairs.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not a text file"):
        listed(photos)


@pytest.mark.parametrize("missing", ["people", "garments"])
def test_missing_and_empty_folders_are_refused(photos: Path, missing: str) -> None:
    for path in (photos / missing).iterdir():
        path.unlink()
    with pytest.raises(UserError, match=f"{missing}: no photographs"):
        listed(photos)
    (photos / missing).rmdir()
    with pytest.raises(UserError, match=f"no folder {missing}/"):
        listed(photos)


def test_names_become_ids_that_fit_into_a_key(photos: Path) -> None:
    names = ["IMG_20260101_123456 (1).jpg", "IMG_20260101_123456 (2).jpg", "민수.jpg", "a" * 80 + ".jpg"]
    for name in names:
        (photos / "garments" / name).write_bytes(b"")
    write(photos, "person,garment\n" + "".join(f'anna.jpg,"{name}"\n' for name in names))
    ids = [pair.garment.id for pair in listed(photos)]
    assert len(set(ids)) == len(names)
    assert all(len(one) <= 16 and one.isascii() and "_" not in one and "." not in one for one in ids)


def test_two_files_with_one_id_are_refused(photos: Path) -> None:
    (photos / "people/anna.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"anna\.jpg and anna\.png would get the same id"):
        listed(photos)


@pytest.mark.parametrize(
    "line", ["anna.jpg,red.jpg,upper,TRUE", "people/anna.jpg,garments\\red.jpg,Upper,True", "ANNA.JPG,Red.jpeg,upper,1"]
)
def test_pairs_as_spreadsheets_and_scripts_write_them(photos: Path, line: str) -> None:
    write(photos, f"person,garment,kind,worn\n{line.replace('.jpeg', '.JPG')}\n")
    (pair,) = listed(photos)
    assert (pair.person.file, pair.garment.file, pair.worn) == ("anna.jpg", "red.jpg", True)


@pytest.mark.parametrize(
    ("name", "encoding"), [("김안나", "cp949"), ("Zoë", "cp1252"), ("김안나", "utf-16"), ("김안나", "utf-8")]
)
def test_pairs_files_in_other_encodings(photos: Path, name: str, encoding: str) -> None:
    (photos / "people" / f"{unicodedata.normalize('NFD', name)}.jpg").touch()
    (photos / "pairs.csv").write_bytes(f"person,garment\r\n{name}.jpg,red.jpg\r\n".encode(encoding))
    (pair,) = listed(photos)
    assert unicodedata.normalize("NFC", pair.person.file) == f"{name}.jpg"

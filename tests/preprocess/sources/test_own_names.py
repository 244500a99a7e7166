"""Datasets of one's own in VITON-HD's and Dress Code's layouts: any names, lists as people write them."""

import unicodedata
from pathlib import Path

import pytest

from preprocess.planning.plan import make_plan
from preprocess.sources import Files, Record
from preprocess.sources.dress_code import open_dress_code
from preprocess.sources.listed import Listed
from preprocess.sources.viton_hd import open_viton_hd
from schemas import LONGEST_KEY, Configuration

CONFIGURATION = Configuration(
    source="viton-hd", garment="upper", pairing="item", views="matching", linings=False, target_size=1024,
    conditioning_size=256, jpeg_quality=95,
)  # fmt: skip


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")


def viton_hd(root: Path, *pairs: tuple[str, str], split: str = "train", suffix: str = ".jpg") -> None:
    for person, garment in pairs:
        touch(
            root, f"{split}/image/{person}{suffix}", f"{split}/cloth/{garment}{suffix}",
            f"{split}/cloth-mask/{garment}{suffix}", f"{split}/image-parse-v3/{person}.png",
            f"{split}/openpose_json/{person}_keypoints.json",
        )  # fmt: skip


def opened(root: Path) -> tuple[Listed, list[Record]]:
    data = open_viton_hd(Files(root))
    return data, list(data.records("upper", "item", "matching"))


def stems(found: list[Record]) -> list[tuple[str, str]]:
    return [(Path(record.person_image).stem, Path(record.product_image).stem) for record in found]


ROWS = {
    "spaces": ("anna", "shirt", "anna.jpg shirt.jpg"),
    "tab and spaces": ("IMG 1", "red shirt", "IMG 1.jpg\tred shirt.jpg"),
    "comma": ("anna", "shirt", "anna.jpg,shirt.jpg"),
    "comma and space": ("anna b", "shirt", "anna b.jpg, shirt.jpg"),
    "semicolon": ("anna", "shirt", "anna.jpg;shirt.jpg"),
    "quoted with spaces": ("IMG 1", "red shirt", '"IMG 1.jpg" "red shirt.jpg"'),
    "single quotes": ("IMG 1", "red shirt", "'IMG 1.jpg' 'red shirt.jpg'"),
    "quoted with commas": ("a,b", "c,d", '"a,b.jpg","c,d.jpg"'),
    "commas in names": ("a,b", "c,d", "a,b.jpg c,d.jpg"),
    "spaces unquoted": ("IMG 1", "red shirt", "IMG 1.jpg red shirt.jpg"),
    "heading": ("anna", "shirt", "person,garment\nanna.jpg,shirt.jpg"),
    "folders": ("anna", "shirt", "people/anna.jpg garments\\shirt.jpg"),
    "case": ("Anna", "shirt", "anna.JPG Shirt.Jpeg"),
    "no suffix": ("anna.v2", "shirt", "anna.v2 shirt"),
    "folders below": ("anna/1", "tops/shirt", "image/anna/1.jpg tops/shirt.jpg"),
    "odd letters": ("anna's (1) & co #2", "50% off @home", "anna's (1) & co #2.jpg\t50% off @home.jpg"),
    "own name": ("model_1", "model_1", "model_1.jpg model_1.jpg"),
}


@pytest.mark.parametrize("kind", ROWS)
def test_a_pair_is_believed_as_listed(tmp_path: Path, kind: str) -> None:
    person, garment, row = ROWS[kind]
    viton_hd(tmp_path, (person, garment))
    (tmp_path / "train_pairs.txt").write_text(row)
    data, (record,) = opened(tmp_path)
    assert record.person_image == f"train/image/{person}.jpg"
    assert record.product_image == f"train/cloth/{garment}.jpg"
    assert record.product_parse
    assert record.person_pose
    assert record.person_parse
    assert data.left_out == {}


@pytest.mark.parametrize("suffix", [".JPG", ".jfif", ".JPEG", ".webp", ".Png", ".tif"])
def test_every_suffix_of_an_image(tmp_path: Path, suffix: str) -> None:
    viton_hd(tmp_path, ("anna", "shirt"), suffix=suffix)
    (tmp_path / "train_pairs.txt").write_text(f"anna{suffix} shirt{suffix}")
    assert stems(opened(tmp_path)[1]) == [("anna", "shirt")]


@pytest.mark.parametrize(
    ("person", "encoding", "fault"),
    [
        ("김안나", "cp949", "cp949-text"), ("Zoë Müller", "cp1252", "cp1252-text"), ("김안나", "utf-16", "utf-16-text"),
        ("Zoë", "utf-16-be", "utf-16-text"), ("Éloïse", "utf-8-sig", None),
    ],
)  # fmt: skip
def test_lists_in_other_encodings(tmp_path: Path, person: str, encoding: str, fault: str | None) -> None:
    viton_hd(tmp_path, (person, "shirt"))
    (tmp_path / "train_pairs.txt").write_bytes(f"{person}.jpg\tshirt.jpg\r\n".encode(encoding))
    data, found = opened(tmp_path)
    assert stems(found) == [(person, "shirt")]
    assert data.left_out == ({fault: 1} if fault else {})


@pytest.mark.parametrize(("disk", "listed"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_composed_and_decomposed_names_are_one(tmp_path: Path, disk: str, listed: str) -> None:
    viton_hd(tmp_path, (unicodedata.normalize(disk, "김안나"), "shirt"))  # type: ignore[arg-type]
    row = unicodedata.normalize(listed, "김안나.jpg shirt.jpg")  # type: ignore[arg-type]
    (tmp_path / "train_pairs.txt").write_text(row, encoding="utf-8")
    _, (record,) = opened(tmp_path)
    assert record.person_image
    assert record.look == "김안나"


def test_people_in_several_clothes_with_one_beginning_are_several_looks(tmp_path: Path) -> None:
    viton_hd(tmp_path, ("model_1", "cloth_1"), ("model_2", "cloth_2"))
    (tmp_path / "train_pairs.txt").write_text("model_1.jpg cloth_1.jpg\nmodel_2.jpg cloth_2.jpg")
    assert [record.look for record in opened(tmp_path)[1]] == ["model_1", "model_2"]


def test_an_unpaired_list_is_never_the_truth(tmp_path: Path) -> None:
    viton_hd(tmp_path, ("anna", "shirt"), ("bob", "coat"), split="test")
    (tmp_path / "test_pairs_unpaired.txt").write_text("anna.jpg coat.jpg\nbob.jpg shirt.jpg")
    data, found = opened(tmp_path)
    assert found == []
    assert data.left_out == {"worn-unknown": 2}
    (tmp_path / "test_pairs_paired.txt").write_text("anna.jpg shirt.jpg\n")
    data, found = opened(tmp_path)
    assert stems(found) == [("anna", "shirt")]
    assert data.left_out == {"worn-unknown": 1, "unpaired-row": 1}


def test_a_missing_own_garment_is_not_replaced_by_anothers(tmp_path: Path) -> None:
    viton_hd(tmp_path, ("00006_00", "00006_00"), ("00008_00", "00008_00"), ("00010_00", "00010_00"), split="test")
    (tmp_path / "test/cloth/00010_00.jpg").unlink()
    (tmp_path / "test_pairs.txt").write_text(
        "00006_00.jpg 00008_00.jpg\n00008_00.jpg 00006_00.jpg\n00010_00.jpg 00006_00.jpg"
    )
    _, found = opened(tmp_path)
    assert [record.product_image for record in found] == ["test/cloth/00006_00.jpg", "test/cloth/00008_00.jpg", ""]


def test_one_person_in_two_garments_of_one_list_is_skipped(tmp_path: Path) -> None:
    viton_hd(tmp_path, ("anna", "shirt"), ("bob", "coat"))
    (tmp_path / "train_pairs.txt").write_text("anna.jpg shirt.jpg\nanna.jpg coat.jpg\nbob.jpg coat.jpg")
    data, found = opened(tmp_path)
    assert stems(found) == [("bob", "coat")]
    assert data.left_out == {"conflicting-pairs": 2}


def test_the_training_list_is_believed_before_the_test_list(tmp_path: Path) -> None:
    viton_hd(tmp_path, ("anna", "shirt"), ("bob", "coat"), split="all")
    (tmp_path / "train_pairs.txt").write_text("anna.jpg shirt.jpg\nbob.jpg coat.jpg")
    (tmp_path / "test_pairs.txt").write_text("anna.jpg coat.jpg")
    data, found = opened(tmp_path)
    assert set(stems(found)) == {("anna", "shirt"), ("bob", "coat")}
    assert data.left_out == {"unpaired-row": 1}


NAMES = [
    ("x" * 56, "y" * 56), ("x" * 120 + "1", "y"), ("x" * 120 + "2", "y"), ("김안나", "셔츠"), ("박안나", "바지"),
    ("a b", "c"), ("a-b", "c"), ("a.b", "c"), ("p_0", "g"), ("p", "g"),
]  # fmt: skip


def test_keys_are_distinct_short_and_as_before_for_sound_names(tmp_path: Path) -> None:
    viton_hd(tmp_path, *NAMES, ("00006_00", "00006_00"))
    rows = [f"{person}.jpg\t{garment}.jpg\n" for person, garment in (*NAMES, ("00006_00", "00006_00"))]
    (tmp_path / "train_pairs.txt").write_text("".join(rows), encoding="utf-8")
    files = Files(tmp_path)
    found = list(open_viton_hd(files).records("upper", "item", "matching"))
    planned = make_plan(files, found, CONFIGURATION)
    keys = [record.key for records in planned.records.values() for record in records]
    assert len(set(keys)) == len(NAMES) + 1
    assert max(map(len, keys)) <= LONGEST_KEY
    assert "train_00006_00_00006_00_F" in keys
    again = make_plan(files, found[::-1], CONFIGURATION)
    assert again.plan == planned.plan


@pytest.mark.parametrize(
    ("person", "garment"), [("anna", "shirt"), ("model_1", "cloth_1"), ("model_0", "cloth_0"), ("안나", "red shirt")]
)
def test_own_names_in_the_layout_of_dress_code(tmp_path: Path, person: str, garment: str) -> None:
    folder = "upper_body"
    touch(
        tmp_path, f"{folder}/images/{person}.jpg", f"{folder}/images/{garment}.jpg",
        f"{folder}/keypoints/{person}.json", f"{folder}/label_maps/{person}.png",
    )  # fmt: skip
    (tmp_path / "train_pairs.txt").write_text(f"{person}.jpg\t{garment}.jpg\t0", encoding="utf-8")
    data = open_dress_code(Files(tmp_path))
    (record,) = data.records("all", "item", "matching")
    assert (record.person_image, record.product_image, record.person_pose, record.person_parse) == (
        f"{folder}/images/{person}.jpg", f"{folder}/images/{garment}.jpg", f"{folder}/keypoints/{person}.json",
        f"{folder}/label_maps/{person}.png",
    )  # fmt: skip
    assert data.left_out == {}

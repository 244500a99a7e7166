import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from common.errors import UserError
from preprocess.planning.pairing import records
from preprocess.sources import Files, Record
from preprocess.sources.aihub import is_aihub, open_aihub

LABELS = "01.데이터/1.Training/라벨링데이터_230515_add/2021_Fashion_train_labels_v230428"
MODELS = "01.데이터/1.Training/원천데이터_230515_add/2021_Fashion_train_modelimages_v230428/Model-Image"
Edit = Callable[[Path, Callable[[Any], None]], None]


def found(root: Path, garment: Any = "upper") -> list[Record]:
    return list(records(open_aihub(Files(root)), garment))


def test_records_of_release_2(aihub: Path) -> None:
    assert is_aihub(Files(aihub))
    first, second = found(aihub)
    assert (first.look, first.frame, first.item, first.garment) == ("1008_A001", "000", "1008001", "upper")
    assert first.key == "train_1008_A001_000_1008001_F"
    assert (first.split, first.view, first.side) == ("train", "front", "F")
    assert all((aihub / path).is_file() for record in (first, second) for path in record.inputs)


@pytest.mark.parametrize("order", ["backwards", "shuffled"])
def test_mistake_7_pairs_do_not_depend_on_the_order_of_a_listing(
    aihub: Path, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:  # fmt: skip
    """A file system lists as it likes, and each folder in its own way; files are joined by their names alone."""
    expected, walked, listed, random = found(aihub), list(Files(aihub).walk()), os.scandir, Random(0)

    def scandir(path: Path) -> list[os.DirEntry[str]]:
        entries = sorted(listed(path), key=lambda entry: entry.name, reverse=True)
        if order == "shuffled":
            random.shuffle(entries)
        return entries

    monkeypatch.setattr(os, "scandir", scandir)
    assert list(Files(aihub).walk()) == walked
    assert found(aihub) == expected
    for record in expected:
        assert {Path(path).stem for path in record.inputs} == {
            f"{record.look}_{record.frame}",
            f"{record.item}_{record.side}",
        }


def test_release_1_folders_suffixes_and_misspelling(aihub: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    labels = old / "Training/[Traing 라벨링]2021_Fashion_train_labels"
    shutil.copytree(aihub / LABELS / "Model-Pose", labels / "model-pose_f")
    for leaf in ("Model-Parse", "Item-Pose", "Item-Parse"):
        shutil.copytree(aihub / LABELS / leaf, labels / f"{leaf}_f")
    shutil.copy(aihub / LABELS / "winfo_train.json", labels / "wearing_info_train.json")
    shutil.copytree(aihub / MODELS, old / "Training/[Traing 원천]2021_Fashion_train_modelimages/Model-Image_deid")
    items = next(aihub.rglob("Item-Image"))
    shutil.copytree(items, old / "Training/[Traing 원천]2021_Fashion_train_itemimages/Item-Image")
    assert [record.key for record in found(old)] == [record.key for record in found(aihub)]
    assert all((old / path).is_file() for record in found(old) for path in record.inputs)


def test_validation_is_the_split_val(aihub: Path) -> None:
    (aihub / "01.데이터/1.Training").rename(aihub / "01.데이터/2.Validation")
    assert {record.split for record in found(aihub)} == {"val"}


def test_an_older_duplicate_folder_is_skipped_and_counted(aihub: Path) -> None:
    older = aihub / "01.데이터/1.Training/라벨링데이터/2021_Fashion_train_labels"
    shutil.copytree(aihub / LABELS, older)
    data = open_aihub(Files(aihub))
    assert data.left_out["older-duplicate"] == 9  # 8 labels and the wearing list
    assert all("_add" in path for record in records(data, "upper") for path in record.inputs)


def test_integer_ids_and_older_slot_names(aihub: Path) -> None:
    rows = [{"wearing": "1008_A001_000.jpg", "top_out": 1008001, "bottom": None}]
    (aihub / LABELS / "winfo_train.json").write_text(json.dumps(rows))
    assert [record.item for record in found(aihub)] == ["1008001"]


def test_a_missing_file_stays_a_record_with_an_empty_path(aihub: Path) -> None:
    next(aihub.rglob("Model-Pose/1008_A001_000.json")).unlink()
    assert [record.person_pose == "" for record in found(aihub)] == [True, False]


def test_a_name_with_an_extra_dot_keeps_its_stem(aihub: Path) -> None:
    for path in aihub.rglob("1008_A001_000.*"):
        path.rename(path.with_name(path.name.replace("1008_A001_000", "1008.1_A001_000")))
    winfo = aihub / LABELS / "winfo_train.json"
    winfo.write_text(winfo.read_text().replace("1008_A001_000", "1008.1_A001_000"))
    first = found(aihub)[0]
    assert first.look == "1008.1_A001"
    assert "." not in first.key
    assert all(first.inputs)


def set_value(name: str, value: Any) -> Callable[[Any], None]:
    def how(document: Any) -> None:
        document[name] = value

    return how


def test_back_and_side_views(aihub: Path, edit: Edit) -> None:
    edit(aihub / LABELS / "Model-Pose/1008_A001_000.json", set_value("view_point", 1))
    edit(aihub / LABELS / "Model-Pose/1008_A002_000.json", set_value("view_point", -1))
    data = open_aihub(Files(aihub))
    assert list(records(data, "upper")) == []
    assert (data.left_out["back-view"], data.left_out["side-view"]) == (1, 1)
    for path in aihub.rglob("1008001_F.*"):
        shutil.copy(path, path.with_name(path.name.replace("_F", "_B")))
    (back,) = found(aihub)
    assert (back.view, back.side) == ("back", "B")


def test_a_dress_is_a_top_alone_with_landmarks_at_the_knee(aihub: Path, edit: Edit) -> None:
    def knees(document: Any) -> None:
        document["landmarks"][13 * 3 : 15 * 3] = [440, 1000, 2, 280, 1000, 2]

    edit(aihub / LABELS / "Item-Pose/1008001_F.json", knees)
    assert [r.garment for r in found(aihub, "all")] == ["upper", "upper"]  # the person wears trousers
    edit(aihub / LABELS / "Model-Parse/1008_A001_000.json", lambda d: d.pop("region9"))
    assert [r.garment for r in found(aihub, "all")] == ["dress", "upper"]
    assert [r.look for r in found(aihub, "dress")] == ["1008_A001"]


@pytest.mark.parametrize("content", ["{", "{}", "[]", "[1, {}]"], ids=["cut", "object", "empty", "no-pairs"])
def test_a_useless_wearing_list_is_the_users_mistake(aihub: Path, content: str) -> None:
    (aihub / LABELS / "winfo_train.json").write_text(content)
    with pytest.raises(UserError, match="winfo"):
        open_aihub(Files(aihub))


def test_a_folder_of_something_else_is_not_taken_for_aihub(tmp_path: Path) -> None:
    (tmp_path / "Model-Image").mkdir()
    assert not is_aihub(Files(tmp_path))


def test_release_is_recognised_by_names(aihub: Path) -> None:
    assert open_aihub(Files(aihub)).release == 2
    names = {"1008_A001_000": "1008_1008_720_A_A001_A001_000", "1008_A002_000": "1030_1030_720_A_A002_232_223_A002_000"}
    for path in list(aihub.rglob("1008_A00*")):
        path.rename(path.with_name(names[path.stem] + path.suffix))
    winfo = aihub / LABELS / "winfo_train.json"
    text = winfo.read_text()
    for short, long in names.items():
        text = text.replace(short, long)
    winfo.unlink()
    (winfo.with_name("wearing_info_train.json")).write_text(text)
    for path in list(aihub.rglob("*v230428")):
        path.rename(path.with_name(path.name.removesuffix("_v230428")))
    for path in list(aihub.rglob("*_add")):
        path.rename(path.with_name(path.name.removesuffix("_230515_add")))
    data = open_aihub(Files(aihub))
    assert data.release == 1
    found = list(records(data, "upper"))
    assert [record.look for record in found] == ["1008_1008_720_A_A001_A001", "1030_1030_720_A_A002_232_223_A002"]
    assert all(all(record.inputs) for record in found)


def test_the_same_images_under_the_names_of_both_releases_count_once(aihub: Path) -> None:
    before = found(aihub)
    for path in list(aihub.rglob("1008_A00*")):
        look = path.stem.split("_")[1]
        shutil.copy(path, path.with_name(f"1008_1008_720_A_{look}_{look}_000{path.suffix}"))
    data = open_aihub(Files(aihub))
    assert list(records(data, "upper")) == before
    assert data.left_out["older-duplicate"] == 6


def test_a_wearing_list_with_the_names_of_release_1_joins_release_2(aihub: Path) -> None:
    rows = [{"wearing": "1008_1008_720_A_A001_A001_000.jpg", "main_top": "1008001"}]
    (aihub / LABELS / "winfo_train.json").write_text(json.dumps(rows))
    assert [record.key for record in found(aihub)] == ["train_1008_A001_000_1008001_F"]


def test_useless_rows_and_ids_are_skipped_and_counted(aihub: Path) -> None:
    rows = [
        {"wearing": "1008_A001_000.jpg", "main_top": "1008001", "hat": "../" * 20, "shoes": ["1"]},
        {"wearing": "1008_A002_000.jpg", "main_top": "x" * 1000},
        {"wearing": "../../1008_A003_000.jpg", "main_top": "1008001"},
        {"wearing": "\ud800", "main_top": "1008001"},
        {"wearing": 7},
        "1008_A001_000.jpg",
    ]
    (aihub / LABELS / "winfo_train.json").write_text(json.dumps(rows))
    data = open_aihub(Files(aihub))
    assert [record.look for record in records(data, "upper")] == ["1008_A001"]
    assert (data.left_out["bad-pair"], data.left_out["bad-item-id"]) == (4, 3)


def test_an_image_whose_name_cannot_become_a_key_is_skipped_and_counted(aihub: Path) -> None:
    (aihub / MODELS / "1008_A*03_000.jpg").touch()
    data = open_aihub(Files(aihub))
    assert len(list(records(data, "upper"))) == 2
    assert data.left_out["bad-name"] == 1


@pytest.mark.parametrize("value", [808001, 808001.0, "808001", "0808001"])
def test_an_id_that_lost_its_leading_zeros_is_found(aihub: Path, value: object) -> None:
    for path in [*aihub.rglob("1008001_F.*")]:
        path.rename(path.with_name(f"0808001_F{path.suffix}"))
    rows = [{"wearing": "1008_A001_000.jpg", "main_top": value, "bottom": float("nan"), "hat": True}]
    (aihub / LABELS / "winfo_train.json").write_text(json.dumps(rows).replace("NaN", "null"))
    data = open_aihub(Files(aihub))
    (record, *_) = records(data, "upper")
    assert record.item == "0808001"
    assert record.product_image
    assert data.left_out["bad-item-id"] == 1


def test_an_id_of_which_several_could_be_meant_stays_as_it_is(aihub: Path) -> None:
    for path in [*aihub.rglob("1008001_F.*")]:
        path.rename(path.with_name(f"07_F{path.suffix}"))
    for path in [*aihub.rglob("1008002_F.*")]:
        path.rename(path.with_name(f"007_F{path.suffix}"))
    rows = [{"wearing": "1008_A001_000.jpg", "main_top": 7}]
    (aihub / LABELS / "winfo_train.json").write_text(json.dumps(rows))
    (record, *_) = records(open_aihub(Files(aihub)), "upper")
    assert (record.item, record.product_image) == ("7", "")

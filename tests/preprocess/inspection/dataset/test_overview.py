"""`prep inspect` on a data set with every fault of the specification sown into it."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len

from common.errors import UserError
from preprocess.cli.inspect import inspect_command
from preprocess.inspection.dataset import label_scan
from preprocess.inspection.dataset.overview import AIHUB_FAULTS, inspect
from preprocess.sources import Files

LABELS = "01.데이터/1.Training/라벨링데이터_230515_add/2021_Fashion_train_labels_v230428"
Change = Callable[[Any], None]


def run(root: Path, *options: str) -> Result:
    return CliRunner().invoke(inspect_command, ["--src", str(root), *options])


def report(root: Path) -> dict[str, Any]:
    done = run(root, "--json")
    assert done.exit_code == 0, done.exception
    assert done.stderr == ""
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def faults(root: Path) -> dict[str, int]:
    return {code: fault["count"] for code, fault in report(root)["faults"].items() if fault["count"]}


def test_a_complete_dataset(aihub: Path) -> None:
    document = report(aihub)
    train, val = document["splits"]["train"], document["splits"]["val"]
    assert (document["release"], document["labels_read"]) == (2, 8)
    leaves = ["model-image", "model-pose", "model-parse", "item-image", "item-pose", "item-parse"]
    assert train["files"] == dict.fromkeys(leaves, 2)
    assert val["files"] == dict.fromkeys(leaves, 0)
    assert (train["views"], train["categories"]) == ({"front": 2}, {"tops": 2})
    assert train["worn"] == {"hat": 0, "main_top": 2, "inner_top": 0, "bottom": 0, "shoes": 0}
    joins = {name: count for name, count in train["joins"].items() if count}
    assert joins == {"looks": 2, "pairs_listed": 2, "items_worn": 2}
    assert set(document["faults"]) == set(AIHUB_FAULTS)
    assert faults(aihub) == {}


def test_no_image_is_opened(aihub: Path) -> None:
    for picture in aihub.rglob("*.jpg"):
        picture.write_bytes(b"")
    assert faults(aihub) == {}


def put(name: str, value: Any) -> Change:
    def change(document: Any) -> None:
        document[name] = value

    return change


def region(name: str, value: Any) -> Change:
    def change(document: Any) -> None:
        document["region1"][name] = value

    return change


def exchange(document: Any) -> None:
    flat = document["landmarks"]
    triples = [flat[n : n + 3] for n in range(0, 51, 3)]
    for slot in range(1, 17, 2):
        triples[slot], triples[slot + 1] = triples[slot + 1], triples[slot]
    document["landmarks"] = [value for triple in triples for value in triple]


def nest(document: Any) -> None:
    document["landmarks"] = [document["landmarks"][n : n + 3] for n in range(0, 51, 3)]


def normalise(document: Any) -> None:
    document["landmarks"] = [v if n % 3 == 2 else v / 1280 for n, v in enumerate(document["landmarks"])]


def renumber(document: Any) -> None:
    document["region99"] = document.pop("region1")


PERSON_POSE, PERSON_PARSE = "Model-Pose/1008_A001_000.json", "Model-Parse/1008_A001_000.json"
ITEM_POSE, ITEM_PARSE = "Item-Pose/1008001_F.json", "Item-Parse/1008001_F.json"


@pytest.mark.parametrize(
    ("path", "change", "code"),
    [
        (ITEM_POSE, lambda d: d.update(category_id=3, category_name="tops"), "category-mismatch"),
        (ITEM_POSE, lambda d: d.update(file_name="1008001_B.jpg", view_point=1), "copied-labels"),
        (ITEM_PARSE, put("file_name", "1008001_B.jpg"), "copied-labels"),
        (PERSON_POSE, exchange, "swapped-sides"),
        (ITEM_POSE, exchange, "swapped-sides"),
        (PERSON_POSE, put("view_point", 1), "doubtful-view"),
        (PERSON_POSE, put("landmarks", [0] * 51), "no-person-pose"),
        (ITEM_POSE, put("landmarks", [0] * 51), "no-product-pose"),
        (PERSON_POSE, put("landmarks", [float("nan")] * 51), "bad-pose"),
        (PERSON_POSE, put("landmarks", [1e300] * 51), "bad-pose"),
        (PERSON_PARSE, lambda d: d.clear(), "empty-parse"),
        (PERSON_PARSE, region("segmentation", 7), "bad-parse"),
        (PERSON_PARSE, region("segmentation", [[[1, 1], [2, 2]]]), "degenerate-polygon"),
        (ITEM_PARSE, region("segmentation", [[1, 1, 2, 2, 3, 1]]), "flat-polygon"),
        (PERSON_PARSE, region("category_name", "face"), "repeated-region"),
        (PERSON_PARSE, renumber, "region-numbers"),
        (PERSON_PARSE, lambda d: d["region1"].pop("category_name"), "unknown-region"),
        (PERSON_POSE, normalise, "normalised-landmarks"),
        (ITEM_POSE, nest, "nested-landmarks"),
        (PERSON_PARSE, lambda d: d.pop("image_size"), "missing-image-size"),
    ],
)
def test_a_fault_inside_a_label_file_is_counted_with_its_path(
    aihub: Path, edit: Callable[[Path, Change], None], path: str, change: Change, code: str
) -> None:
    edit(aihub / LABELS / path, change)
    document = report(aihub)
    assert document["faults"][code] == {"count": 1, "examples": [f"{LABELS}/{path}"]}
    assert faults(aihub) == {code: 1}


@pytest.mark.parametrize(("encoding", "code"), [("utf-8-sig", "utf-8-bom"), ("cp949", "cp949-text")])
def test_other_encodings_are_counted(aihub: Path, encoding: str, code: str) -> None:
    path = aihub / LABELS / ITEM_POSE
    document = json.loads(path.read_text(encoding="utf-8")) | {"note": "상품"}
    path.write_bytes(json.dumps(document, ensure_ascii=False).encode(encoding))
    assert faults(aihub) == {code: 1}


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        (
            "Model-Image/1008_A001_000.jpg",
            {"missing-person-image": 1, "label-without-picture": 2},
        ),
        ("Model-Pose/1008_A001_000.json", {"missing-person-pose": 1}),
        ("Model-Parse/1008_A001_000.json", {"missing-person-parse": 1}),
        ("Item-Image/1008001_F.jpg", {"missing-product-image": 1, "label-without-picture": 2}),
        ("Item-Pose/1008001_F.json", {"missing-product-pose": 1}),
        ("Item-Parse/1008001_F.json", {"missing-product-parse": 1}),
    ],
)  # fmt: skip
def test_a_missing_file_is_counted(aihub: Path, gone: str, expected: dict[str, int]) -> None:
    next(aihub.rglob(gone)).unlink()
    assert faults(aihub) == expected


def test_how_the_parts_join(aihub: Path) -> None:
    rows = [
        {"wearing": "1008_A001_000.jpg", "main_top": "1008001", "bottom": "1008009"},
        {"wearing": "1008_A003_000.jpg", "main_top": "1008001"},
    ]
    (aihub / LABELS / "winfo_train.json").write_text(json.dumps(rows))
    next(aihub.rglob("Model-Pose/1008_A002_000.json")).unlink()
    assert report(aihub)["splits"]["train"]["joins"] == {
        "looks": 2, "pairs_listed": 2, "pairs_without_picture": 1, "pictures_without_pair": 1,
        "pictures_without_labels": 1, "labels_without_picture": 0,
        "items_worn": 2, "items_without_picture": 1, "items_never_worn": 1,
    }  # fmt: skip


def test_names_and_duplicates(aihub: Path) -> None:
    for path in list(aihub.rglob("1008_A001_000.*")):
        path.rename(path.with_name(path.name.replace("1008_A001", "1008.1_A001")))
    winfo = aihub / LABELS / "winfo_train.json"
    winfo.write_text(winfo.read_text().replace("1008_A001", "1008.1_A001"))
    shutil.copytree(aihub / LABELS, aihub / "01.데이터/1.Training/라벨링데이터/2021_Fashion_train_labels")
    assert faults(aihub) == {"dotted-name": 5, "older-duplicate": 9}


def test_zips_are_read_in_place_and_their_faults_counted(aihub: Path) -> None:
    labels = aihub / LABELS
    with zipfile.ZipFile(labels.with_name(f"{labels.name}.zip"), "w") as file:
        for path in sorted(labels.rglob("*.json")):
            file.write(path, path.relative_to(labels).as_posix())
        file.writestr("../evil.json", "{}")
        file.writestr("Model-Pose/1008_A003_000.json", " " * (2 << 20), zipfile.ZIP_DEFLATED)
    shutil.rmtree(labels)
    assert report(aihub)["labels_read"] == 9
    assert faults(aihub) == {"label-without-picture": 1, "too-large": 1, "unsafe-name": 1}


def test_examples_are_three_at_most(aihub: Path) -> None:
    for n in range(5):
        (aihub / LABELS / f"Model-Pose/1008_A1{n}_000.json").write_text("{")
    fault = report(aihub)["faults"]["bad-pose"]
    assert (fault["count"], len(fault["examples"])) == (5, 3)


def test_a_process_pool_gives_the_same_report(aihub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (aihub / LABELS / PERSON_PARSE).write_text("{}")
    alone = inspect(Files(aihub), 1, lambda done, total: None)
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(label_scan, "_WORTH_A_POOL", 1)
    together = inspect(Files(aihub), 2, lambda done, total: seen.append((done, total)))
    assert together.document() == alone.document()
    assert (seen[0], seen[-1]) == ((0, 8), (8, 8))


def test_the_table_fits_a_terminal(aihub: Path) -> None:
    (aihub / LABELS / PERSON_PARSE).write_text("{}")
    done = run(aihub)
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("AI-Hub 78, release 2: ")
    assert any(line.split()[:2] == ["1", "empty-parse"] for line in lines)
    assert any(line.endswith("Model-Parse/1008_A001_000.json") for line in lines)
    assert max(cell_len(line) for line in lines[1:]) <= 100


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_folder_without_a_dataset_is_a_user_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    error = run(tmp_path / name).exception
    assert isinstance(error, UserError)
    assert str(error).startswith("--src ")

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from preprocess.planning.pairing import records
from preprocess.sources import Files, Record
from preprocess.sources.aihub import open_aihub
from schemas import Pairing, View, Views

LABELS = "01.데이터/1.Training/라벨링데이터_230515_add/2021_Fashion_train_labels_v230428"
FRAMES: dict[str, View] = {"000": "front", "044": "side", "088": "back", "132": "side"}
POINTS = {"front": 0, "back": 1, "side": -1}
Edit = Callable[[Path, Callable[[Any], None]], None]


def set_view(view_point: int) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        document["view_point"] = view_point

    return change


def without_trousers(document: Any) -> None:
    for name in [name for name in document if "pants" in str(document[name])]:
        del document[name]


@pytest.fixture
def turned(aihub: Path, edit: Edit) -> Path:
    """The look 1008_A001 in four frames; its item has a picture of the back, the other look's item has none."""
    for frame, view in FRAMES.items():
        for path in list(aihub.rglob("1008_A001_000.*")):
            copy = path.with_name(path.name.replace("_000", f"_{frame}"))
            if copy != path:
                shutil.copy(path, copy)
            if path.parent.name == "Model-Pose":
                edit(copy, set_view(POINTS[view]))
    for path in list(aihub.rglob("1008001_F.*")):
        shutil.copy(path, path.with_name(path.name.replace("_F", "_B")))
    return aihub


def found(
    root: Path, pairing: Pairing | Any, views: Views, garment: Any = "upper"
) -> tuple[list[Record], Counter[str]]:
    data = open_aihub(Files(root))
    return list(records(data, garment, pairing, views)), data.left_out


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        ("front", {("000", "F")}),
        ("matching", {("000", "F"), ("088", "B")}),
        ("all", {("000", "F"), ("044", "F"), ("088", "B"), ("132", "F")}),
    ],
)
def test_which_side_of_a_product_goes_with_which_view(turned: Path, views: Views, expected: set[Any]) -> None:
    pairs, left_out = found(turned, "item", views)
    of_look = {(record.frame, record.side) for record in pairs if record.look == "1008_A001"}
    assert of_look == expected
    assert sum(left_out[f"{view}-view"] for view in ("side", "back")) == 4 - len(expected)


def test_a_back_view_of_a_garment_without_a_back_gets_its_front_only_with_all_views(turned: Path) -> None:
    for path in list(turned.rglob("1008001_B.*")):
        path.unlink()
    assert "088" not in {record.frame for record in found(turned, "item", "matching")[0]}
    assert ("088", "F") in {(record.frame, record.side) for record in found(turned, "item", "all")[0]}


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        ("front", {("000", "044"), ("000", "132")}),
        ("matching", {pair for a in ("000", "088") for b in ("044", "132") for pair in ((a, b), (b, a))}),
        ("all", {(a, b) for a in FRAMES for b in FRAMES if a != b}),
    ],
)  # fmt: skip
def test_which_frames_of_a_look_are_paired(turned: Path, views: Views, expected: set[Any]) -> None:
    pairs, left_out = found(turned, "view", views)
    assert {(record.frame, record.side) for record in pairs} == expected
    assert left_out["distant-views"] == 12 - len(expected)


def test_the_garment_of_two_frames_is_the_other_frame_with_its_body_pose_and_parse(turned: Path) -> None:
    record = next(record for record in found(turned, "view", "matching")[0] if record.side == "044")
    garment = (record.product_image, record.product_pose, record.product_parse)
    assert all("Model-" in path and "_044." in path for path in garment)
    assert (record.pairing, record.item) == ("view", "1008001")


def test_both_pairings_together_have_keys_of_their_own(turned: Path) -> None:
    pairs, _ = found(turned, "both", "matching")
    assert len({record.key for record in pairs}) == len(pairs) == len(found(turned, "view", "matching")[0]) + 3


def test_the_outermost_top_is_tried_on_and_what_is_beneath_it_counted(turned: Path) -> None:
    rows = [{"wearing": "1008_A001_000.jpg", "main_top": "1008001", "inner_top": "1008002"}]
    (turned / LABELS / "winfo_train.json").write_text(json.dumps(rows))
    pairs, left_out = found(turned, "item", "front")
    assert [(record.item, record.layers) for record in pairs] == [("1008001", 2)]
    assert "1008002_F" in pairs[0].beneath_image
    assert pairs[0].beneath_image in pairs[0].inputs
    assert left_out["inner-layer"] == len(FRAMES)


def test_a_long_coat_over_nothing_that_is_listed_is_no_dress(aihub: Path, edit: Edit) -> None:
    def reach_the_knee(document: Any) -> None:
        document["landmarks"][13 * 3 : 15 * 3] = [460, 900, 2, 260, 900, 2]

    edit(next(aihub.rglob("Item-Pose/1008001_F.json")), reach_the_knee)
    edit(next(aihub.rglob("Model-Parse/1008_A001_000.json")), without_trousers)
    assert [record.garment for record in found(aihub, "item", "front", "all")[0]][:1] == ["dress"]

    def coat(document: Any) -> None:
        for region in document.values():
            if region.get("category_name") == "inner_torso":
                region["category_name"] = "outer_torso"

    edit(next(aihub.rglob("Model-Parse/1008_A001_000.json")), coat)
    assert [record.garment for record in found(aihub, "item", "front", "all")[0]][:1] == ["upper"]

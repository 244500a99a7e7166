import json
from typing import Any

import numpy as np
import pytest

from preprocess.annotations import read_item_parse, read_model_parse, read_pose
from preprocess.faults import RecordError

SIZE = {"width": 720, "height": 1280}
TRIANGLE = [[1.0, 2.0], [3.0, 4.0], [5.0, 0.0]]


def as_bytes(document: Any, encoding: str = "utf-8") -> bytes:
    return json.dumps(document, ensure_ascii=False).encode(encoding)


def pose(landmarks: Any, **more: Any) -> dict[str, Any]:
    return {"view_point": 0, "landmarks": landmarks, "image_size": SIZE, **more}


FLAT = [100, 200, 2, 0, 0, 0, 300.5, 400.25, 1, *[0] * 42]


def test_landmarks_are_x_y_known_in_order() -> None:
    read = read_pose(as_bytes(pose(FLAT)), "p.json")
    assert read.points[:3].tolist() == [[100, 200, 1], [0, 0, 0], [300.5, 400.25, 1]]
    assert (read.view, read.image_size, read.mended) == ("front", (720, 1280), ())


@pytest.mark.parametrize(("view_point", "view"), [(0, "front"), (1, "back"), (-1, "side"), (7, None)])
def test_view(view_point: int, view: str | None) -> None:
    assert read_pose(as_bytes(pose(FLAT, view_point=view_point)), "p.json").view == view


def test_an_absent_point_is_zeros_whatever_its_coordinates() -> None:
    assert not read_pose(as_bytes(pose([10, 20, 0, *[0] * 48])), "p.json").points.any()


@pytest.mark.parametrize(
    ("landmarks", "code"),
    [
        (np.reshape(FLAT, (17, 3)).tolist(), "nested-landmarks"),
        ([0.25, 0.5, 2, *[0] * 48], "normalised-landmarks"),
    ],
    ids=["nested", "normalised"],
)
def test_mended_landmarks_are_named(landmarks: Any, code: str) -> None:
    read = read_pose(as_bytes(pose(landmarks)), "p.json")
    assert read.mended == (code,)
    assert read.points[0].tolist() == ([100, 200, 1] if code == "nested-landmarks" else [180, 640, 1])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_encodings(encoding: str) -> None:
    assert read_pose(as_bytes(pose(FLAT, note="착용영상"), encoding), "p.json").points[0, 0] == 100


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[]", as_bytes(pose([1, 2, 3])), as_bytes(pose("x")), as_bytes(pose(["a"] * 51)),
        as_bytes(pose([1e30, 0, 2, *[0] * 48])), b'{"landmarks": [NaN' + b", 0" * 50 + b"]}", b"[" * 100_000,
    ],
    ids=["empty", "cut", "list", "short", "text", "words", "huge", "nan", "deep"],
)  # fmt: skip
def test_a_useless_pose_is_rejected_with_its_path(data: bytes) -> None:
    with pytest.raises(RecordError) as caught:
        read_pose(data, "p.json")
    assert (caught.value.reason, caught.value.path) == ("bad-pose", "p.json")


def region(segmentation: Any, **more: Any) -> dict[str, Any]:
    return {"segmentation": segmentation, **more}


def test_regions_by_name_and_by_number() -> None:
    document = {
        "region1": region([TRIANGLE], category_name="hair", category_id=0),
        "region2": region([TRIANGLE], category_id=9),
        "image_size": SIZE,
    }
    assert [r.name for r in read_model_parse(as_bytes(document), "m.json").regions] == ["hair", "inner_torso"]
    item = {"region1": region([TRIANGLE], product_type="torso", category_id=4), "category_name": "tops"}
    assert [r.name for r in read_item_parse(as_bytes(item), "i.json").regions] == ["torso"]


@pytest.mark.parametrize(
    ("segmentation", "code"),
    [
        ([TRIANGLE, [[0, 0], [1, 1]]], "degenerate-polygon"),
        ([TRIANGLE, []], "degenerate-polygon"),
        ([[1, 2, 3, 4, 5, 0]], "flat-polygon"),
    ],
    ids=["two-points", "no-points", "flat"],
)
def test_mended_polygons_are_named(segmentation: Any, code: str) -> None:
    read = read_model_parse(as_bytes({"region1": region(segmentation, category_name="hair")}), "m.json")
    assert read.mended == (code,)
    assert [p.tolist() for p in read.regions[0].polygons] == [TRIANGLE]


def test_repeated_regions_are_joined() -> None:
    document = {
        "region1": region([TRIANGLE], category_name="hair"),
        "region7": region([TRIANGLE], category_name="hair"),
    }
    read = read_model_parse(as_bytes(document), "m.json")
    assert (len(read.regions), len(read.regions[0].polygons), read.mended) == (1, 2, ("repeated-region",))


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({}, "empty-parse"),
        ({"region1": region([], category_name="hair")}, "empty-parse"),
        ({"region1": region(7, category_name="hair")}, "bad-parse"),
        ({"region1": region([[["a", "b"]] * 3], category_name="hair")}, "bad-parse"),
    ],
    ids=["nothing", "no-polygons", "number", "words"],
)
def test_a_useless_parse_is_rejected(document: Any, reason: str) -> None:
    with pytest.raises(RecordError) as caught:
        read_model_parse(as_bytes(document), "m.json")
    assert caught.value.reason == reason

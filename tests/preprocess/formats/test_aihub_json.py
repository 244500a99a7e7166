import json
from typing import Any

import numpy as np
import pytest

from preprocess.faults import RecordError
from preprocess.formats.aihub_json import Pose, read_item_parse, read_model_parse, read_pose
from schemas import FLIP

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
    assert (read.view, read.image_size, read.faults) == ("front", (720, 1280), ())


@pytest.mark.parametrize(("view_point", "view"), [(0, "front"), (1, "back"), (-1, "side"), (7, None)])
def test_view(view_point: int, view: str | None) -> None:
    assert read_pose(as_bytes(pose(FLAT, view_point=view_point)), "p.json").view == view


@pytest.mark.parametrize(
    ("more", "origin"),
    [({}, "annotated"), ({"origin": "estimated"}, "estimated"), ({"origin": "derived"}, "derived"),
     ({"origin": "guessed"}, "annotated"), ({"origin": ["estimated"]}, "annotated")],
)  # fmt: skip
def test_a_file_may_say_that_no_person_made_it(more: dict[str, Any], origin: str) -> None:
    region = {"category_name": "face", "segmentation": [TRIANGLE]}
    assert read_pose(as_bytes(pose(FLAT, **more)), "p.json").origin == origin
    assert read_model_parse(as_bytes({"region1": region, "image_size": SIZE, **more}), "p.json").origin == origin


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
    assert read.faults == (code,)
    assert read.points[0].tolist() == ([100, 200, 1] if code == "nested-landmarks" else [180, 640, 1])


@pytest.mark.parametrize(
    ("encoding", "repaired"), [("utf-8", ()), ("utf-8-sig", ("utf-8-bom",)), ("cp949", ("cp949-text",))]
)
def test_encodings(encoding: str, repaired: tuple[str, ...]) -> None:
    read = read_pose(as_bytes(pose(FLAT, note="착용영상"), encoding), "p.json")
    assert (read.points[0, 0], read.faults) == (100, repaired)


@pytest.mark.parametrize("size", [None, {}, {"width": 0, "height": 9}, {"width": 10**400, "height": 9}, [720, 1280]])
def test_a_missing_image_size_is_named_and_fractions_wait_for_the_pictures(size: Any) -> None:
    read = read_pose(as_bytes(pose([0.25, 0.5, 2, *[0] * 48], image_size=size)), "p.json")
    assert (read.image_size, read.faults) == (None, ("missing-image-size", "normalised-landmarks"))
    assert read.scaled((720, 1280)).points[0].tolist() == [180, 640, 1]
    in_pixels = read_pose(as_bytes(pose(FLAT, image_size=size)), "p.json")
    assert in_pixels.scaled((720, 1280)) is in_pixels


PERSON = {
    0: (360, 240), 1: (375, 230), 2: (345, 230), 5: (455, 310), 6: (265, 310), 9: (460, 560), 10: (260, 560),
    11: (400, 570), 12: (320, 570), 15: (395, 1000), 16: (322, 1000),
}  # fmt: skip
HEADLESS = {slot: point for slot, point in PERSON.items() if slot > 4}
GARMENT = {5: (450, 410), 6: (270, 410), 7: (480, 600), 8: (240, 600), 11: (460, 750), 12: (260, 750)}
TROUSERS = {11: (460, 750), 12: (260, 750), 15: (440, 1000), 16: (280, 1000)}


def swapped(points: dict[int, tuple[int, int]], slots: range = range(17)) -> dict[int, tuple[int, int]]:
    return {FLIP[slot] if slot in slots else slot: point for slot, point in points.items()}


def read_points(points: dict[int, tuple[int, int]], path: str, **more: Any) -> Pose:
    flat = [value for slot in range(17) for value in ((*points[slot], 2) if slot in points else (0, 0, 0))]
    return read_pose(as_bytes(pose(flat, **more)), path)


def keypoints_at(read: Pose) -> dict[int, tuple[float, float]]:
    return {slot: (x, y) for slot, (x, y, known) in enumerate(read.points.tolist()) if known}


@pytest.mark.parametrize(
    ("stored", "true", "view_point"),
    [
        (swapped(PERSON), PERSON, 0),
        (swapped(PERSON, range(5, 17)), PERSON, 0),
        (swapped(PERSON, range(5, 17)), PERSON, None),
        (HEADLESS, swapped(HEADLESS), 1),
    ],
    ids=["all", "body", "no-view-but-a-face", "back"],
)
def test_a_persons_swapped_sides_are_exchanged(stored: Any, true: Any, view_point: Any) -> None:
    read = read_points(stored, "1008_A001_000.json", view_point=view_point)
    assert (keypoints_at(read), read.faults) == (true, ("swapped-sides",))


@pytest.mark.parametrize(
    ("stored", "view_point", "repaired"),
    [
        (PERSON, 0, ()),
        (swapped(HEADLESS), 1, ()),
        (swapped(PERSON), -1, ()),
        (swapped(HEADLESS), None, ()),
        (swapped(HEADLESS), 0, ("doubtful-view",)),
        (PERSON, 1, ("doubtful-view",)),
        (swapped(PERSON, range(5, 7)), 0, ()),
        (swapped(PERSON | {5: (365, 310), 6: (355, 310)}), 0, ()),
    ],
    ids=["front", "back", "side", "unknown", "no-face", "back-with-a-face", "shoulders-only", "nearly-sideways"],
)
def test_sides_are_left_alone_where_the_pose_is_not_sure(stored: Any, view_point: Any, repaired: Any) -> None:
    read = read_points(stored, "1008_A001_000.json", view_point=view_point)
    assert (keypoints_at(read), read.faults) == (stored, repaired)


@pytest.mark.parametrize("points", [GARMENT, TROUSERS], ids=["top", "trousers"])
def test_a_garments_swapped_sides_are_exchanged(points: Any) -> None:
    front, back = "1008001_F.json", "1008001_B.json"
    assert read_points(points, front).faults == ()
    assert read_points(swapped(points), back, view_point=1).faults == ()
    for read in (read_points(swapped(points), front), read_points(points, back, view_point=1)):
        assert read.faults == ("swapped-sides",)
        assert keypoints_at(read) == (points if read.view == "front" else swapped(points))


def test_one_swapped_pair_of_a_garment_is_left_alone() -> None:
    assert read_points(swapped(GARMENT, range(5, 7)), "1008001_F.json").faults == ()


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("1008001_F.json", {"file_name": "1008001_B.jpg", "view_point": 1}),
        ("1008001_F.json", {"file_name": "1008001_B.jpg"}),
        ("1008001_F.json", {"file_name": "1008001_F.jpg", "view_point": 1}),
        ("1008001_F.json", {"view_point": 1}),
        ("1008001_B.json", {"file_name": "1008001_F.jpg", "view_point": 1}),
    ],
    ids=["both", "file-name", "view-point", "view-point-only", "back"],
)
def test_labels_of_the_other_side_are_rejected(path: str, more: dict[str, Any]) -> None:
    with pytest.raises(RecordError) as caught:
        read_points(GARMENT, path, **more)
    assert (caught.value.reason, caught.value.path) == ("copied-labels", path)
    view = {"view_point": more["view_point"]} if "view_point" in more else {}
    parse = {"region1": region([TRIANGLE], product_type="torso", **view), "file_name": more.get("file_name")}
    with pytest.raises(RecordError, match="copied-labels"):
        read_item_parse(as_bytes(parse), path)


def test_a_view_point_of_0_in_a_backs_file_is_only_counted() -> None:
    read = read_points(swapped(GARMENT), "1008001_B.json", file_name="1008001_B.jpg", view_point=0)
    assert (read.view, read.faults) == ("back", ("view-mismatch",))


@pytest.mark.parametrize(
    ("number", "name", "points", "category", "repaired"),
    [
        (2, "tops", GARMENT, "tops", ()),
        (1, "outerwear", GARMENT, "outerwear", ()),
        (3, "tops", GARMENT, "tops", ("category-mismatch",)),
        (3, "tops", TROUSERS, "bottoms", ("category-mismatch",)),
        (9, "tops", TROUSERS, "bottoms", ("category-mismatch",)),
        (None, None, {2: (300, 300)}, "cap_and_hat", ()),
        (None, None, {}, None, ()),
    ],
)
def test_a_category_counts_where_number_and_name_agree(
    number: Any, name: Any, points: Any, category: str | None, repaired: Any
) -> None:
    read = read_points(points, "1008001_F.json", category_id=number, category_name=name)
    assert (read.category, read.faults) == (category, repaired)
    parse = {"region1": region([TRIANGLE], product_type="torso"), "image_size": SIZE}
    document = parse | {"category_id": number, "category_name": name}
    assert read_item_parse(as_bytes(document), "1008001_F.json").faults == repaired


def test_the_category_human_is_no_mismatch() -> None:
    read = read_points(PERSON, "1008_A001_000.json", category_id=1, category_name="human")
    assert (read.category, read.faults) == (None, ())


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
        ([1, 2, 3, 4, 5, 0], "flat-polygon"),
    ],
    ids=["two-points", "no-points", "flat", "flat-without-list"],
)
def test_mended_polygons_are_named(segmentation: Any, code: str) -> None:
    document = {"region1": region(segmentation, category_name="hair"), "image_size": SIZE}
    read = read_model_parse(as_bytes(document), "m.json")
    assert read.faults == (code,)
    assert [p.tolist() for p in read.regions[0].polygons] == [TRIANGLE]


def test_repeated_regions_are_joined() -> None:
    document = {
        "region1": region([TRIANGLE], category_name="hair"),
        "region2": region([TRIANGLE], category_name="hair"),
        "image_size": SIZE,
    }
    read = read_model_parse(as_bytes(document), "m.json")
    assert (len(read.regions), len(read.regions[0].polygons), read.faults) == (1, 2, ("repeated-region",))


def test_a_number_that_two_regions_share_loses_neither() -> None:
    hair, face = (json.dumps(region([TRIANGLE], category_name=name)) for name in ("hair", "face"))
    text = f'{{"region1": {hair}, "region1": {face}, "image_size": {json.dumps(SIZE)}}}'
    read = read_model_parse(text.encode(), "m.json")
    assert ({r.name for r in read.regions}, read.faults) == ({"hair", "face"}, ("repeated-region",))


def test_gaps_in_the_numbers_of_regions_are_named() -> None:
    document = {f"region{n}": region([TRIANGLE], category_id=n) for n in (1, 3)} | {"image_size": SIZE}
    read = read_model_parse(as_bytes(document), "m.json")
    assert ([r.name for r in read.regions], read.faults) == (["face", "hat"], ("region-numbers",))


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({}, "empty-parse"),
        ({"region1": region([], category_name="hair")}, "empty-parse"),
        ({"region1": region(7, category_name="hair")}, "bad-parse"),
        ({"region1": region([[["a", "b"]] * 3], category_name="hair")}, "bad-parse"),
        ({"region1": region([[[0, float("nan")]] * 3], category_name="hair")}, "bad-parse"),
        ({"region1": region([[[0, 1e300]] * 3], category_name="hair")}, "bad-parse"),
        ({"region1": region([[[1, 2]] * 100_001], category_name="hair")}, "bad-parse"),
    ],
    ids=["nothing", "no-polygons", "number", "words", "nan", "huge", "many-points"],
)
def test_a_useless_parse_is_rejected(document: Any, reason: str) -> None:
    with pytest.raises(RecordError) as caught:
        read_model_parse(as_bytes(document), "m.json")
    assert caught.value.reason == reason

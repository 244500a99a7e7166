import json
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from preprocess.faults import RecordError
from preprocess.formats.keypoint_files import BODY_25, COCO_17, COCO_18, UNSURE, Skeletons, read_skeletons
from preprocess.formats.pose_sides import view_of
from schemas import KEYPOINTS

BODY_25_NAMES = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "mid_hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye",
    "right_ear", "left_ear",
)  # fmt: skip
COCO_18_NAMES = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye",
    "right_ear", "left_ear",
)  # fmt: skip


def person(shift: float = 0.0) -> NDArray[np.float64]:
    """Return (17, 3): a front view, so that the left joints are at larger x."""
    points = np.array([(100 + (3 + n) * (1 if n % 2 else -1), 10.0 * n + 5, 0.9) for n in range(17)])
    points[0, :2] = 100, 5
    points[:, 0] += shift
    return points


def rows(points: NDArray[np.float64], order: tuple[int, ...], count: int, absent: float = 0.0) -> list[list[float]]:
    found = np.full((count, 3), (absent, absent, 0.0))
    for slot, row in enumerate(order):
        if points[slot, 2] > 0:
            found[row] = points[slot]
    return [list(map(float, row)) for row in found]


def flat(listed: list[list[float]]) -> list[float]:
    return [value for row in listed for value in row]


def skeletons(document: Any) -> Skeletons:
    return read_skeletons(json.dumps(document).encode(), "a.json")


def read(document: Any) -> NDArray[np.float64]:
    """Return the most complete person's points."""
    return skeletons(document).people[0]


def test_the_orders_are_those_of_the_names() -> None:
    assert [BODY_25_NAMES[row] for row in BODY_25] == list(KEYPOINTS)
    assert [COCO_18_NAMES[row] for row in COCO_18] == list(KEYPOINTS)


EXPECTED = person() * (1, 1, 0) + (0, 0, 1)


@pytest.mark.parametrize(
    "document",
    [
        {"version": 1.3, "people": [{"pose_keypoints_2d": flat(rows(person(), BODY_25, 25))}]},
        {"version": 1.3, "people": [{"pose_keypoints_2d": flat(rows(person(), COCO_18, 18))}]},
        {"version": 1.0, "people": [{"pose_keypoints": flat(rows(person(), COCO_18, 18))}]},
        {"people": [{"pose_keypoints_2d": flat(rows(person(), COCO_17, 17))}]},
        {"people": [{"keypoints": rows(person(), COCO_17, 17)}]},
        {"keypoints": [[*row, n] for n, row in enumerate(rows(person(), COCO_18, 18))]},
        {"keypoints": rows(person(), BODY_25, 25)},
    ],
    ids=["body-25", "coco-18", "old-key", "coco-17", "rows", "rows-of-four", "top-level"],
)
def test_every_spelling_gives_the_same_pose(document: Any) -> None:
    np.testing.assert_allclose(read(document), EXPECTED)


@pytest.mark.parametrize("absent", [0.0, -1.0])
def test_a_missing_point_is_all_zeros(absent: float) -> None:
    points = person()
    points[9] = 0
    found = read({"keypoints": rows(points, COCO_18, 18, absent)})
    assert not found[9].any()
    np.testing.assert_allclose(found[10], EXPECTED[10])


def nothing_for_the_absent(listed: list[list[float]], score: float | None) -> list[list[float | None]]:
    return [list(row) if row[2] > 0 else [None, None, score] for row in listed]


def with_nan(listed: list[list[Any]]) -> list[list[Any]]:
    return [[math.nan if value is None else value for value in row] for row in listed]


@pytest.mark.parametrize("score", [0.0, None])
@pytest.mark.parametrize(
    "kind", ["rows", "flat", "without rows", "NaN", "x, y", "objects", "objects of NaN", "by name", "NaN by name"]
)
def test_a_point_that_is_null_or_nan_is_absent(kind: str, score: float | None) -> None:
    points = person()
    points[9] = 0
    listed: list[Any] = nothing_for_the_absent(rows(points, BODY_25, 25), score)
    document: Any = {"keypoints": listed}
    if kind == "flat":
        document = {"people": [{"pose_keypoints_2d": [value for row in listed for value in row]}]}
    elif kind == "without rows":
        document = {"keypoints": [row if row[0] is not None else None for row in listed]}
    elif kind == "NaN":
        document = {"keypoints": with_nan(listed)}
    elif kind == "objects":
        document = {"keypoints": [{"x": x, "y": y, "score": sure} for x, y, sure in listed]}
    elif kind == "objects of NaN":
        document = {"keypoints": [{"x": x, "y": y} for x, y, _ in with_nan(listed)]}
    elif kind == "x, y":
        document = {"keypoints": [row[:2] for row in listed]}
    elif "by name" in kind:
        joints = with_nan(points[:, :2].tolist()) if "NaN" in kind else points.tolist()
        joints[9] = [math.nan, math.nan] if "NaN" in kind else [None, None, score]
        document = {"keypoints": dict(zip(KEYPOINTS, joints, strict=True))}
    found = read(document)
    assert not found[9].any()
    np.testing.assert_allclose(np.delete(found, 9, 0), np.delete(EXPECTED, 9, 0))


def test_a_point_outside_the_image_is_kept() -> None:
    points = person()
    points[16, :2] = -12, 400
    assert read({"keypoints": rows(points, BODY_25, 25)})[16].tolist() == [-12, 400, 1]


def test_of_several_people_the_most_complete_one_is_first() -> None:
    half, whole = person(50), person()
    half[7:] = 0
    people = [{"pose_keypoints_2d": flat(rows(one, BODY_25, 25))} for one in (half, whole, half)]
    found = skeletons({"people": people})
    assert len(found.people) == 3
    np.testing.assert_allclose(found.people[0], EXPECTED)


def test_pixels_without_a_canvas_are_no_fractions() -> None:
    found = skeletons({"keypoints": rows(person(), COCO_18, 18)})
    assert (found.canvas, found.fractions, found.faults) == (None, False, ())


@pytest.mark.parametrize("over_the_shoulder", [False, True])
def test_a_back_is_a_back_and_its_sides_stay(over_the_shoulder: bool) -> None:
    """Estimators never swap the wearer's sides: with the face turned to the camera too, it is a back."""
    mirrored = person() * (-1, 1, 1) + (200, 0, 0)
    mirrored[:5] = person()[:5] if over_the_shoulder else 0
    found = skeletons({"keypoints": rows(mirrored, BODY_25, 25)})
    assert found.faults == ()
    assert view_of(found.people[0]) == "back"
    np.testing.assert_allclose(found.people[0][5:, :2], mirrored[5:, :2])


def turned(by: float) -> NDArray[np.float64]:
    """Return the pose, its body turned about the vertical axis by ``by`` (1 is a front view, 0 a side view)."""
    points = person()
    points[5:, 0] = 100 + (points[5:, 0] - 100) * by
    return points


@pytest.mark.parametrize(
    ("points", "view"),
    [
        (turned(1), "front"),
        (turned(0.3), "side"),
        (turned(-0.3), "side"),
        (turned(-1), "back"),
        (turned(1) * (np.arange(17)[:, None] < 11), "front"),
        (turned(-1) * (np.arange(17)[:, None] < 11), "back"),
        (turned(1) * (np.arange(17)[:, None] < 3), "front"),
    ],
)
def test_the_view_is_inferred_from_the_pose(points: NDArray[np.float64], view: str) -> None:
    assert view_of(read({"keypoints": rows(points, BODY_25, 25)})) == view


def test_a_low_score_is_known_but_unsure() -> None:
    points = person()
    points[9, 2], points[10, 2] = 0.06, 0.21
    found = read({"keypoints": rows(points, BODY_25, 25)})
    assert found[[8, 9, 10], 2].tolist() == [1, UNSURE, 1]


def named(points: NDArray[np.float64]) -> dict[str, Any]:
    return {name: {"x": x, "y": y, "score": score} for name, (x, y, score) in zip(KEYPOINTS, points, strict=True)}


def camel(name: str) -> str:
    """Return `leftWrist` for `left_wrist`."""
    first, _, rest = name.partition("_")
    return first + rest.title()


XY = [row[:2] for row in rows(person(), COCO_17, 17)]


@pytest.mark.parametrize(
    "document",
    [
        [{"image_id": 7, "keypoints": flat(rows(person(), COCO_17, 17)), "score": 0.9}],
        {"annotations": [{"keypoints": flat(rows(person(), COCO_17, 17))}]},
        {"instance_info": [{"instances": [{"keypoints": XY, "keypoint_scores": [0.9] * 17}]}]},
        {"keypoints": XY},
        {"keypoints": flat(XY)},
        {"keypoints": [{"x": x, "y": y} for x, y in XY]},
        {"keypoints": {str(n): row for n, row in enumerate(rows(person(), COCO_17, 17))}},
        {"keypoints": named(person())},
        {"keypoints": [{"name": name, **point} for name, point in reversed(named(person()).items())]},
        named(person()),
        {"people": [{"pose_keypoints_2d": None}, {"pose_keypoints_2d": flat(rows(person(), COCO_18, 18))}]},
        [{"people": [{"pose_keypoints_2d": flat(rows(person(), COCO_18, 18))}]}],
        rows(person(), COCO_18, 18),
        flat(rows(person(), COCO_18, 18)),
        [XY],
        {"keypoints": np.transpose(XY).tolist(), "scores": [0.9] * 17},
        {"keypoints": np.transpose(rows(person(), COCO_17, 17)).tolist()},
        {"keypoints": flat(rows(person(), COCO_17, 17)) + [5.0] * 27},
        {"keypoints": rows(person(), COCO_17, 17) + [[5.0, 5.0, 0.5]] * 119},
        {"keypoints": [{"name": camel(name), **point} for name, point in named(person()).items()]},
        {camel(name).capitalize(): point for name, point in named(person()).items()},
        {
            "score": 0.9,
            "keypoints": [
                {"part": camel(name), "score": point["score"], "position": {"x": point["x"], "y": point["y"]}}
                for name, point in named(person()).items()
            ],
        },
    ],
)
def test_what_other_programs_write_is_read(document: Any) -> None:
    np.testing.assert_allclose(read(document), EXPECTED)


@pytest.mark.parametrize("places", [{"top": True}, {"top": False}])
def test_a_named_canvas_is_found(places: dict[str, bool]) -> None:
    document: Any = {
        "people": [{"pose_keypoints_2d": flat(rows(person(), COCO_18, 18))}],
        "canvas_width": 384,
        "canvas_height": 512,
    }
    document = document if places["top"] else [document]
    found = skeletons(document)
    assert found.canvas == (384, 512)
    np.testing.assert_allclose(found.people[0], EXPECTED)


def test_fractions_are_distinguished_from_pixels() -> None:
    fractions = person() / (200, 200, 1)
    found = skeletons({"keypoints": rows(fractions, COCO_18, 18)})
    assert found.fractions
    np.testing.assert_allclose(found.people[0] * (200, 200, 1), EXPECTED)


def test_a_pose_file_without_people_yields_none() -> None:
    assert skeletons({"people": []}).people == ()


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[1]",
        b'{"people": [{}]}',
        b'{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}',
        b'{"people": [{"pose_keypoints_2d": []}]}',
        b'{"people": [{"pose_keypoints_2d": ["a"]}]}',
        b'{"people": [{"pose_keypoints_2d": {"a": 1}}]}',
        b'{"people": [null]}',
        json.dumps({"keypoints": [[float("nan")] * 3] * 17}).encode(),
        json.dumps({"keypoints": [[None] * 3] * 17}).encode(),
        json.dumps({"keypoints": [[10**400] * 3] * 17}).encode(),
        json.dumps({"keypoints": [{"x": 10**400, "y": 1}] * 17}).encode(),
        json.dumps({"keypoints": {str(n): [10**400, 1] for n in range(17)}}).encode(),
        json.dumps({"keypoints": [[1, 2]] * 17, "keypoint_scores": [10**400] * 17}).encode(),
        json.dumps({"keypoints": [[float("nan"), 5.0, 0.9]] + [[5.0, 5.0, 0.9]] * 16}).encode(),
        json.dumps({"keypoints": [[5.0, 5.0, float("nan")]] + [[5.0, 5.0, 0.9]] * 16}).encode(),
        json.dumps({"keypoints": [[1e9] * 3] * 17}).encode(),
        json.dumps({"keypoints": [[1, 2, 3, 4, 5]] * 17}).encode(),
    ],
)
def test_what_is_no_pose_is_rejected(data: bytes) -> None:
    with pytest.raises(RecordError, match="bad-pose"):
        read_skeletons(data, "a.json")

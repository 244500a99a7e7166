"""The poses of VITON-HD and Dress Code: variants of OpenPose's JSON, converted to the 17 COCO keypoints.

The numbers are at `people[n].pose_keypoints_2d`, `people[n].pose_keypoints` or `keypoints`, flat or as rows; a row is
x, y, score, and optionally its own index. 25 rows are BODY_25, 18 are COCO-18, 17 are COCO-17. A point is absent if
its score is 0 or less, or it is 0, 0 or -1, -1. Of several people the one with the most points is read, and swapped
sides are exchanged; both are listed in ``faults``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from preprocess.faults import Fault, RecordError
from preprocess.formats.aihub_json import Pose
from preprocess.formats.loose_json import load_json
from preprocess.formats.pose_sides import repair_person
from schemas import NUM_KEYPOINTS

BODY_25 = (0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11)
"""Row in OpenPose's BODY_25 for each of the 17 slots."""

COCO_18 = (0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10)
"""The same for OpenPose's COCO-18: nose, neck, right arm, left arm, right leg, left leg, eyes, ears (right first)."""

COCO_17 = tuple(range(NUM_KEYPOINTS))

_ORDERS = {25: BODY_25, 18: COCO_18, 17: COCO_17}
_KEYS = ("pose_keypoints_2d", "pose_keypoints", "keypoints")
_COORDINATE_LIMIT = 1e5
_OFF_THE_GRID = 1.25
"""How far beyond the grid a point may be, as a multiple of its size; beyond it the coordinates have another unit."""


def read_keypoints(data: bytes, path: str, grid: tuple[int, int] | None = None) -> Pose:
    """Read the pose of the person with the most known points; without any person, all 17 points are absent.

    ``grid`` (width, height) is the size that the coordinates refer to, if it is not the image's; the pose is then
    returned in fractions, see `Pose.scaled`. Raise RecordError `bad-pose`.
    """
    faults: list[Fault] = []
    try:
        document = load_json(data, faults)
    except ValueError as error:
        raise RecordError(Fault.BAD_POSE, path, f"not JSON: {error}") from error
    people = [_person(values, path) for values in _people(document, path)]
    if len(people) > 1:
        faults.append(Fault.SEVERAL_PEOPLE)
    points = max(people, key=_completeness, default=np.zeros((NUM_KEYPOINTS, 3)))
    if fault := repair_person(points, "front"):
        faults.append(fault)
    points[:, 2] = points[:, 2] > 0
    if grid is not None:
        points[:, :2] /= grid
        if points[:, :2].max() > _OFF_THE_GRID:
            raise RecordError(Fault.BAD_POSE, path, f"points far off the grid of {grid[0]}x{grid[1]}; fetch it again")
    return Pose(points, "front", None, tuple(faults), unscaled=grid is not None)


def _people(document: Any, path: str) -> list[Any]:
    """Return the numbers of each person in the file."""
    if not isinstance(document, dict):
        raise RecordError(Fault.BAD_POSE, path, f"a JSON object is expected, not {type(document).__name__}")
    people = document.get("people")
    if isinstance(people, list):
        found = [_numbers_of(person) for person in people]
    elif (values := _numbers_of(document)) is not None:
        found = [values]
    else:
        found = [None]
    if any(values is None for values in found):
        raise RecordError(Fault.BAD_POSE, path, f"none of {', '.join(_KEYS)} in it; estimate the pose again")
    return found


def _numbers_of(document: Any) -> Any:
    return next((document[key] for key in _KEYS if key in document), None) if isinstance(document, dict) else None


def _person(values: Any, path: str) -> NDArray[np.float64]:
    """Return (17, 3): x, y and score of each known point, zeros for absent ones."""
    try:
        numbers = np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise RecordError(Fault.BAD_POSE, path, "keypoints are not numbers; estimate the pose again") from error
    rows = (
        numbers if numbers.ndim == 2 else numbers.reshape(-1, 3) if numbers.ndim == 1 and not numbers.size % 3 else None
    )
    if rows is None or len(rows) not in _ORDERS or rows.shape[1] not in (3, 4):
        raise RecordError(Fault.BAD_POSE, path, f"25, 18 or 17 keypoints are expected, not {numbers.size} numbers")
    if not np.isfinite(rows).all() or np.abs(rows).max() > _COORDINATE_LIMIT:
        raise RecordError(Fault.BAD_POSE, path, "a coordinate is NaN, infinite or absurdly large")
    points = rows[list(_ORDERS[len(rows)]), :3].copy()
    absent = (points[:, 2] <= 0) | (points[:, :2] == 0).all(axis=1) | (points[:, :2] == -1).all(axis=1)
    points[absent] = 0.0
    return points


def _completeness(points: NDArray[np.float64]) -> tuple[int, float]:
    return int((points[:, 2] > 0).sum()), float(points[:, 2].sum())

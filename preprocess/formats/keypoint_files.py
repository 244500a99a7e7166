"""The poses of datasets with label maps: the JSON that pose estimators write, converted to the 17 COCO keypoints.

People are found at `people`, `annotations`, `instances` and the like, in a list, or alone at the top. A person's
numbers are at `pose_keypoints_2d`, `pose_keypoints` or `keypoints`: flat or as rows; a row is x, y, a score and perhaps
its own index, or x, y alone (the scores may follow in `keypoint_scores`), or an object with `x` and `y`; or an object
with a joint's name as each key, or one list of all x and one of all y. 25 rows are BODY_25, 18 are COCO-18, 17 are
COCO-17; 26 and 136 (Halpe's) and 133 (COCO's whole body) begin with COCO-17.

A point is absent if its score is 0 or less, if it is 0, 0 or -1, -1, or if it is null or NaN and has no score.
Coordinates are pixels, or fractions of a canvas; `canvas_width` and `canvas_height` name its size. Left and right are
taken as they are: estimators know the wearer's sides, and a person seen from behind has them the other way round.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from preprocess.faults import Fault, RecordError
from preprocess.formats.loose_json import load_json
from schemas import KEYPOINTS, NUM_KEYPOINTS

BODY_25 = (0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11)
"""Row in OpenPose's BODY_25 for each of the 17 slots."""

COCO_18 = (0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10)
"""The same for OpenPose's COCO-18: nose, neck, right arm, left arm, right leg, left leg, eyes, ears (right first)."""

COCO_17 = tuple(range(NUM_KEYPOINTS))

UNSURE = 0.5
"""The third column of a known point whose score is low."""

_ORDERS = {25: BODY_25, 18: COCO_18, 17: COCO_17, 26: COCO_17, 133: COCO_17, 136: COCO_17}
_SLOTS = {name.replace("_", ""): slot for slot, name in enumerate(KEYPOINTS)}
_KEYS = ("pose_keypoints_2d", "pose_keypoints", "keypoints")
_SCORES = ("keypoint_scores", "keypoints_scores", "scores")
_PEOPLE = ("people", "persons", "annotations", "instances", "predictions", "instance_info", "bodies")
_DEPTH = 4
_COORDINATE_LIMIT = 1e5
_FRACTION = 1.5
"""Coordinates up to here are fractions: a pose of pixels spans more than a pixel."""
_SURE = 0.2
"""The score from which a point is sure. In sound poses wrists above it lie on the hand, see docs/measurements."""

Points = NDArray[np.float64]
"""(17, 3): x, y, and 1 where the point is known, `UNSURE` where its score is low, 0 where it is absent."""


@dataclass(frozen=True, eq=False)
class Skeletons:
    """The people of a pose file, the most complete one first, in the file's own coordinates."""

    people: tuple[Points, ...]
    canvas: tuple[float, float] | None
    """Width and height that the file says the coordinates refer to"""
    fractions: bool
    """Whether the coordinates are fractions of the canvas"""
    faults: tuple[Fault, ...] = ()
    """What was repaired in the file"""


def read_skeletons(data: bytes, path: str) -> Skeletons:
    """Read every person of a pose file. Raise RecordError `bad-pose`."""
    faults: list[Fault] = []
    try:
        document = load_json(data, faults)
    except ValueError as error:
        raise RecordError(Fault.BAD_POSE, path, f"not JSON: {error}") from error
    if not isinstance(document, dict | list):
        raise RecordError(Fault.BAD_POSE, path, f"a JSON object or list is expected, not {type(document).__name__}")
    scored = [_person(person, path) for person in _people(document, path)]
    scored = [points for points in scored if (points[:, 2] > 0).any()] or scored[:1]
    scored.sort(key=_completeness, reverse=True)
    known = [points[points[:, 2] > 0, :2] for points in scored]
    fractions = any(len(xy) for xy in known) and all(np.abs(xy).max() <= _FRACTION for xy in known if len(xy))
    for points in scored:
        low = (points[:, 2] > 0) & (points[:, 2] < _SURE)
        points[:, 2] = np.where(low, UNSURE, points[:, 2] > 0)
    return Skeletons(tuple(scored), _canvas(document), fractions, tuple(faults))


def _people(document: Any, path: str) -> list[Any]:
    """Return each person's entry in the file. Raise RecordError if there is no place for one."""
    if isinstance(document, dict) and document.get("people") == []:
        return []
    found = list(_entries(document, 0))
    if not found:
        raise RecordError(Fault.BAD_POSE, path, f"none of {', '.join(_KEYS)} in it; estimate the pose again")
    return found


def _entries(document: Any, depth: int) -> Iterator[Any]:
    if depth > _DEPTH:
        return
    if isinstance(document, dict):
        if any(key in document for key in _KEYS):
            yield document
        elif (key := next((key for key in _PEOPLE if isinstance(document.get(key), list | dict)), None)) is not None:
            people = document[key]
            for entry in people if isinstance(people, list) else [people]:
                yield from _entries(entry, depth + 1)
        elif any(_slot(key) is not None for key in document):
            yield {"keypoints": document}
    elif isinstance(document, list) and document:
        yield from _entries_of_list(document, depth)


def _entries_of_list(document: list[Any], depth: int) -> Iterator[Any]:
    """Yield the people of a list: of files or people, of rows for each person, or the rows or numbers of one."""
    if all(isinstance(entry, dict) and not _is_point(entry) for entry in document):
        for entry in document:
            yield from _entries(entry, depth + 1)
    elif isinstance(document[0], list) and document[0] and isinstance(document[0][0], list):
        yield from ({"keypoints": entry} for entry in document)
    elif len(document) >= NUM_KEYPOINTS:
        yield {"keypoints": document}


def _canvas(document: Any) -> tuple[float, float] | None:
    """Return the canvas that the file names, None for none."""
    entry = next((one for one in document if isinstance(one, dict)), None) if isinstance(document, list) else document
    if not isinstance(entry, dict):
        return None
    for width, height in (("canvas_width", "canvas_height"), ("image_width", "image_height"), ("width", "height")):
        size = entry.get(width), entry.get(height)
        if all(isinstance(side, int | float) and not isinstance(side, bool) and 1 < side < 1e5 for side in size):
            return float(size[0]), float(size[1])  # type: ignore[arg-type]
    return None


def _person(person: Any, path: str) -> Points:
    """Return (17, 3): x, y and score of each known point, zeros for absent ones."""
    values = next((person[key] for key in _KEYS if person.get(key) is not None), None)
    if values is None and any(key in person for key in _KEYS):
        return np.zeros((NUM_KEYPOINTS, 3))
    if isinstance(values, dict) or (isinstance(values, list) and any(isinstance(value, dict) for value in values)):
        values = _from_objects(values, path)
    values = _without_nulls(values)
    try:
        numbers = np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise RecordError(Fault.BAD_POSE, path, "keypoints are not numbers; estimate the pose again") from error
    rows = _rows(numbers, next((person[key] for key in _SCORES if key in person), None))
    if rows is None:
        raise RecordError(Fault.BAD_POSE, path, f"25, 18 or 17 keypoints are expected, not {numbers.size} numbers")
    rows = _without_unknown(rows)
    if not np.isfinite(rows).all() or np.abs(rows).max() > _COORDINATE_LIMIT:
        raise RecordError(Fault.BAD_POSE, path, "a coordinate is NaN, infinite or absurdly large")
    points = rows[list(_ORDERS[len(rows)]), :3].copy()
    absent = (points[:, 2] <= 0) | (points[:, :2] == 0).all(axis=1) | (points[:, :2] == -1).all(axis=1)
    points[absent] = 0.0
    return points


def _without_nulls(values: Any) -> Any:
    """Return a list of rows with the rows that are null, for points that are not known, as long as the others."""
    if not isinstance(values, list) or None not in values:
        return values
    length = next((len(row) for row in values if isinstance(row, list)), 0)
    return [[None] * length if row is None else row for row in values] if length else values


def _without_unknown(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rows with zeros for points without coordinates, unless a score says that they are known."""
    scoreless = np.isnan(rows[:, 2]) | (rows[:, 2] <= 0)
    unknown = np.isnan(rows[:, :2]).all(axis=1) & scoreless
    return rows if unknown.all() else np.where(unknown[:, None], 0.0, rows)


def _rows(numbers: NDArray[np.float64], scores: Any) -> NDArray[np.float64] | None:
    """Return the numbers as rows of x, y, score; None if they are of no known kind."""
    if numbers.ndim == 3 and len(numbers) == 1:
        numbers = numbers[0]
    if numbers.ndim == 1:
        per_row = next((n for n in (3, 2) if not numbers.size % n and numbers.size // n in _ORDERS), 0)
        if not per_row:
            return None
        numbers = numbers.reshape(-1, per_row)
    if numbers.ndim == 2 and len(numbers) in (2, 3) and numbers.shape[1] in _ORDERS:
        numbers = numbers.T
    if numbers.ndim != 2 or len(numbers) not in _ORDERS or numbers.shape[1] not in (2, 3, 4):
        return None
    if numbers.shape[1] > 2:
        return numbers
    column = (~np.isnan(numbers).all(axis=1)).astype(np.float64)
    if scores is not None:
        try:
            given = np.asarray(scores, np.float64).ravel()
        except (TypeError, ValueError, OverflowError):
            return None
        if given.size == len(numbers):
            column = given
    return np.column_stack([numbers, column])


def _is_point(entry: dict[Any, Any]) -> bool:
    return "x" in entry and "y" in entry


def _from_objects(values: Any, path: str) -> list[list[float]]:
    """Return rows of x, y, score of objects with x and y: a list in a known order, or each by its joint's name."""
    if isinstance(values, dict) and isinstance(values.get("x"), list) and isinstance(values.get("y"), list):
        columns = [values["x"], values["y"], *(values[key] for key in _SCORES if isinstance(values.get(key), list))]
        return [list(row) for row in zip(*columns[:3], strict=False)]
    if isinstance(values, dict) and all(isinstance(key, str) and key.isdecimal() for key in values):
        return [_point(values[key], path) for key in sorted(values, key=int)]
    if isinstance(values, dict) and not any(_slot(key) is not None for key in values):
        raise RecordError(Fault.BAD_POSE, path, "keypoints under unknown names; estimate the pose again")
    if isinstance(values, dict):
        slots = {_slot(key): value for key, value in values.items()}
        return [_point(slots.get(slot), path) for slot in range(NUM_KEYPOINTS)]
    names = [_slot(entry.get("name", entry.get("part"))) if isinstance(entry, dict) else None for entry in values]
    if any(slot is not None for slot in names):
        by_name = dict(zip(names, values, strict=True))
        return [_point(by_name.get(slot), path) for slot in range(NUM_KEYPOINTS)]
    return [_point(entry, path) for entry in values]


def _slot(name: Any) -> int | None:
    """Return the slot of a joint's name: `left_wrist`, `leftWrist`, `Left Wrist`, `LWrist`; None for others."""
    if not isinstance(name, str):
        return None
    plain = "".join(letter for letter in name.lower() if letter not in " -_")
    side = {"l": "left", "r": "right"}.get(plain[:1])
    return _SLOTS.get(plain, None if side is None else _SLOTS.get(side + plain[1:]))


def _point(value: Any, path: str) -> list[float]:
    """Return x, y, score of a point: an object, or a list of two or three numbers; zeros for an absent one."""
    if value is None:
        return [0.0, 0.0, 0.0]
    if isinstance(value, dict):
        scores = (value[key] for key in ("score", "confidence", "c", "conf", "visibility", "v", "p") if key in value)
        place = value["position"] if isinstance(value.get("position"), dict) else value
        if "x" in place and place["x"] is None and place.get("y") is None:
            return [0.0, 0.0, 0.0]
        value = [place.get("x"), place.get("y"), *islice(scores, 1)]
    try:
        x, y, *score = (math.nan if number is None else float(number) for number in value)
    except (TypeError, ValueError, OverflowError) as error:
        raise RecordError(Fault.BAD_POSE, path, "keypoints are not numbers; estimate the pose again") from error
    unknown = math.isnan(x) and math.isnan(y)
    return [x, y, score[0] if score else float(not unknown)]


def _completeness(points: Points) -> tuple[int, float]:
    return int((points[:, 2] > 0).sum()), float(points[:, 2].sum())

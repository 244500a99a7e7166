"""AI-Hub's JSON: poses (Model-Pose, Item-Pose) and parses (Model-Parse, Item-Parse).

The readers are tolerant where real files are at fault, and say which fault they mended; what they cannot mend
raises RecordError.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from preprocess.faults import RecordError
from schemas import NUM_KEYPOINTS

Polygon = NDArray[np.float64]
"""(n, 2) x, y in pixels of the upright picture, n ≥ 3, not closed."""

_VIEWS = {0: "front", 1: "back", -1: "side"}
_COORDINATE_LIMIT = 1e5
_MODEL_REGIONS = {
    0: "hair", 1: "face", 2: "neck", 3: "hat",
    4: "outer_rsleeve", 5: "outer_lsleeve", 6: "outer_torso", 7: "inner_rsleeve", 8: "inner_lsleeve", 9: "inner_torso",
    10: "pants_hip", 11: "pants_rsleeve", 12: "pants_lsleeve", 13: "skirt", 14: "right_arm", 15: "left_arm",
    16: "right_shoe", 17: "left_shoe", 18: "right_leg", 19: "left_leg",
}  # fmt: skip
_ITEM_REGIONS = {
    0: "hat", 1: "hat_hidden", 2: "rsleeve", 3: "lsleeve", 4: "torso", 5: "top_hidden", 6: "hip", 7: "pants_rsleeve",
    8: "pants_lsleeve", 9: "pants_hidden", 10: "skirt", 11: "skirt_hidden", 12: "shoe", 13: "shoe_hidden",
}  # fmt: skip


@dataclass(frozen=True)
class Pose:
    """Keypoints or landmarks: (17, 3) x, y in pixels of the upright picture and 1 where known, else all zeros."""

    points: NDArray[np.float64]
    view: str | None
    image_size: tuple[int, int] | None
    mended: tuple[str, ...]


@dataclass(frozen=True)
class Region:
    """All polygons of one named part, e.g. `inner_torso`."""

    name: str
    polygons: tuple[Polygon, ...]


@dataclass(frozen=True)
class Parse:
    """The named parts of a person or a garment; (width, height) of the picture they were drawn on."""

    regions: tuple[Region, ...]
    image_size: tuple[int, int] | None
    mended: tuple[str, ...]


def read_pose(data: bytes, path: str) -> Pose:
    """Read a Model-Pose or Item-Pose file. Raise RecordError `bad-pose` where it holds no usable pose."""
    document, mended = _load(data, path, "bad-pose")
    size = _image_size(document)
    values = _landmarks(document.get("landmarks"), path, mended)
    known = values[:, 2] > 0
    if known.any() and size is not None and np.abs(values[known, :2]).max() <= 1.5:
        values[:, :2] *= size
        mended.append("normalised-landmarks")
    values[~known] = 0.0
    values[:, 2] = known
    view = document.get("view_point")
    return Pose(values, _VIEWS.get(view) if isinstance(view, int) else None, size, tuple(mended))


def read_model_parse(data: bytes, path: str) -> Parse:
    """Read a Model-Parse file. Raise RecordError `bad-parse` or `empty-parse`."""
    return _read_parse(data, path, _MODEL_REGIONS, ("category_name", "product_type"))


def read_item_parse(data: bytes, path: str) -> Parse:
    """Read an Item-Parse file. Raise RecordError `bad-parse` or `empty-parse`."""
    return _read_parse(data, path, _ITEM_REGIONS, ("product_type", "category_name"))


def load_json(data: bytes) -> Any:
    """Decode JSON in any of the encodings met: UTF-8 with or without BOM, cp949. Raise ValueError."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp949")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _load(data: bytes, path: str, reason: str) -> tuple[dict[str, Any], list[str]]:
    try:
        document = load_json(data)
    except ValueError as error:
        raise RecordError(reason, path, f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise RecordError(reason, path, f"a JSON object is expected, not {type(document).__name__}")
    return document, []


def _image_size(document: dict[str, Any]) -> tuple[int, int] | None:
    size = document.get("image_size")
    if isinstance(size, dict) and all(isinstance(size.get(k), int) and size[k] > 0 for k in ("width", "height")):
        return size["width"], size["height"]
    return None


def _numbers(value: Any, path: str, reason: str) -> NDArray[np.float64]:
    try:
        numbers = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise RecordError(reason, path, "coordinates are not numbers") from error
    if not np.isfinite(numbers).all() or (numbers.size and np.abs(numbers).max() > _COORDINATE_LIMIT):
        raise RecordError(reason, path, "a coordinate is NaN, infinite or absurdly large")
    return numbers


def _landmarks(value: Any, path: str, mended: list[str]) -> NDArray[np.float64]:
    numbers = _numbers(value, path, "bad-pose") if isinstance(value, list) else np.empty(0)
    if numbers.ndim == 2:
        mended.append("nested-landmarks")
    if numbers.size != NUM_KEYPOINTS * 3:
        raise RecordError("bad-pose", path, f"{NUM_KEYPOINTS * 3} landmark numbers are expected, not {numbers.size}")
    return numbers.reshape(NUM_KEYPOINTS, 3).copy()


def _read_parse(data: bytes, path: str, names: dict[int, str], keys: tuple[str, str]) -> Parse:
    document, mended = _load(data, path, "bad-parse")
    regions: dict[str, list[Polygon]] = {}
    for value in document.values():
        if not isinstance(value, dict) or "segmentation" not in value:
            continue
        name = next((value[k] for k in keys if isinstance(value.get(k), str)), None)
        category = value.get("category_id")
        name = name or (names.get(category) if isinstance(category, int) else None)
        if name is None:
            mended.append("unknown-region")
            continue
        if name in regions:
            mended.append("repeated-region")
        regions.setdefault(name, []).extend(_polygons(value["segmentation"], path, mended))
    found = tuple(Region(name, tuple(polygons)) for name, polygons in regions.items() if polygons)
    if not found:
        raise RecordError("empty-parse", path, "no region with a polygon; the picture has to be labelled anew")
    return Parse(found, _image_size(document), tuple(dict.fromkeys(mended)))


def _polygons(segmentation: Any, path: str, mended: list[str]) -> list[Polygon]:
    if not isinstance(segmentation, list):
        raise RecordError("bad-parse", path, "a segmentation is a list of polygons")
    polygons: list[Polygon] = []
    for polygon in segmentation:
        numbers = _numbers(polygon, path, "bad-parse")
        if numbers.ndim == 1 and numbers.size and numbers.size % 2 == 0:
            numbers = numbers.reshape(-1, 2)
            mended.append("flat-polygon")
        if numbers.ndim != 2 or numbers.shape[1] != 2 or len(numbers) < 3:
            mended.append("degenerate-polygon")
            continue
        polygons.append(numbers)
    return polygons

"""AI-Hub's JSON: poses (Model-Pose, Item-Pose) and parses (Model-Parse, Item-Parse).

Real files have faults. The readers repair what they can and list it in ``faults``; other faults raise RecordError.
`preprocess.faults` has the meaning of each fault.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from os.path import splitext
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from preprocess.faults import Fault, RecordError
from preprocess.formats.label_maps import Bounds
from preprocess.formats.loose_json import load_json
from preprocess.formats.pose_sides import repair_garment, repair_person
from preprocess.label_tables import AIHUB_ITEM, AIHUB_MODEL
from schemas import NUM_KEYPOINTS, Keypoint, Origin, View

Polygon = NDArray[np.float64]
"""(n, 2) x, y in pixels of the upright image, n ≥ 3, not closed."""

_VIEWS: dict[int, View] = {0: "front", 1: "back", -1: "side"}
_CATEGORIES = {0: "cap_and_hat", 1: "outerwear", 2: "tops", 3: "bottoms", 4: "shoes"}
_ORIGINS: tuple[Origin, ...] = get_args(Origin)
_COORDINATE_LIMIT = 1e5
_POINT_LIMIT = 100_000
"""Points of one polygon; the outline of an image of 720 x 1280 has 4,000."""

_FACE = slice(Keypoint.NOSE, Keypoint.LEFT_SHOULDER)
_ARMS = slice(Keypoint.LEFT_SHOULDER, Keypoint.LEFT_HIP)
_HIPS_AND_KNEES = slice(Keypoint.LEFT_HIP, Keypoint.LEFT_ANKLE)

_PRODUCT = re.compile(r"_([FB])$", re.IGNORECASE)
_REGION = re.compile(r"^region(\d{1,9})$", re.IGNORECASE)


@dataclass(frozen=True)
class Pose:
    """Keypoints or landmarks: (17, 3) x, y in pixels of the upright image and 1 where known, else all zeros.

    Where a point is known with a low score the third number is between 0 and 1: Jp has it, nothing is decided by it.

    ``unscaled`` means that x, y are still fractions of an image whose size the file does not give: see `scaled`.
    ``category`` is a product's, if number and name agree; else cap_and_hat, tops (also for outerwear) or bottoms by
    the filled slots. ``origin`` is read from the file; AI-Hub's own files have none and count as annotated.
    """

    points: NDArray[np.float64]
    view: str | None
    image_size: tuple[int, int] | None
    faults: tuple[Fault, ...]
    unscaled: bool = False
    category: str | None = None
    origin: Origin = "annotated"

    def scaled(self, size: tuple[int, int]) -> Pose:
        """Return the pose in pixels of its image of ``size`` (width, height); unchanged if it is in pixels already."""
        if not self.unscaled:
            return self
        return replace(self, points=self.points * (*size, 1.0), unscaled=False)


@dataclass(frozen=True)
class Region:
    """All polygons of one named part, e.g. `inner_torso`."""

    name: str
    polygons: tuple[Polygon, ...]
    bounds: Bounds
    """Left, top, right, bottom in pixels of the image."""


@dataclass(frozen=True)
class Parse:
    """The named regions of a person or a garment; ``image_size`` is (width, height) of the labelled image."""

    regions: tuple[Region, ...]
    image_size: tuple[int, int] | None
    faults: tuple[Fault, ...]
    origin: Origin = "annotated"


def read_pose(data: bytes, path: str) -> Pose:
    """Read a Model-Pose or Item-Pose file; ``path`` ends in `_F.json` or `_B.json` for an item's.

    Raise RecordError `bad-pose` if it has no usable pose, `copied-labels` if it belongs to the other side.
    """
    document, faults = _load(data, path, Fault.BAD_POSE)
    side = _product_side(document, path, faults)
    size = _image_size(document, faults)
    values = _landmarks(document.get("landmarks"), path, faults)
    known = values[:, 2] > 0
    normalised = bool(known.any() and np.abs(values[known, :2]).max() <= 1.5)
    if normalised:
        values[:, :2] *= size or 1
        faults.append(Fault.NORMALISED_LANDMARKS)
    values[~known] = 0.0
    view_point = document.get("view_point")
    view = side or (_VIEWS.get(view_point) if isinstance(view_point, int) else None)
    if fault := repair_garment(values, side) if side else repair_person(values, view):
        faults.append(fault)
    values[:, 2] = values[:, 2] > 0
    category = _category(document, faults) if side else None
    return Pose(
        values, view, size, tuple(faults), unscaled=normalised and size is None,
        category=category or (_category_of_slots(values) if side else None), origin=_origin(document),
    )  # fmt: skip


def read_view(data: bytes) -> View | None:
    """Return the view given in a Model-Pose file, None if it gives none; the rest of the file is not checked."""
    try:
        document = load_json(data)
    except ValueError:
        return None
    view_point = document.get("view_point") if isinstance(document, dict) else None
    return _VIEWS.get(view_point) if isinstance(view_point, int) else None


def read_model_parse(data: bytes, path: str) -> Parse:
    """Read a Model-Parse file. Raise RecordError `bad-parse` or `empty-parse`."""
    return _read_parse(data, path, AIHUB_MODEL, ("category_name", "product_type"))


def read_item_parse(data: bytes, path: str) -> Parse:
    """Read an Item-Parse file. Raise RecordError `bad-parse` or `empty-parse`."""
    return _read_parse(data, path, AIHUB_ITEM, ("product_type", "category_name"))


def _load(data: bytes, path: str, reason: Fault) -> tuple[dict[str, Any], list[Fault]]:
    faults: list[Fault] = []
    try:
        document = load_json(data, faults)
    except ValueError as error:
        raise RecordError(reason, path, f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise RecordError(reason, path, f"a JSON object is expected, not {type(document).__name__}")
    return document, faults


def _origin(document: dict[str, Any]) -> Origin:
    """Return the origin that `prep annotate` writes into its files: estimated by a network, or derived by a rule."""
    value = document.get("origin")
    return next((origin for origin in _ORIGINS if origin == value), "annotated")


def _product_side(document: dict[str, Any], path: str, faults: list[Fault]) -> str | None:
    """Return front or back by a product's own stem, None for a person.

    Labels that were copied from the other side do not fit the image. They are recognised by the file_name inside, or
    by a view_point of 1 (back) in a front's file, since 1 is never a default. A 0 in a back's file may be the default,
    so there only the file_name counts.
    """
    match = _PRODUCT.search(splitext(path)[0])
    if match is None:
        return None
    own = match[1].upper()
    file_name = document.get("file_name")
    named = _PRODUCT.search(splitext(file_name)[0]) if isinstance(file_name, str) else None
    view_point = _view_point(document)
    if (named and named[1].upper() != own) or (own == "F" and view_point == 1):
        raise RecordError(
            Fault.COPIED_LABELS, path, "labels of the product's other side under this name; label the image again"
        )  # fmt: skip
    if own == "B" and view_point == 0:
        faults.append(Fault.VIEW_MISMATCH)
    return "front" if own == "F" else "back"


def _view_point(document: dict[str, Any]) -> Any:
    """Return the file's view_point; a parse has one in each of its regions."""
    if "view_point" in document:
        return document["view_point"]
    regions = [value for value in document.values() if isinstance(value, dict) and "segmentation" in value]
    views = [region.get("view_point") for region in regions]
    return views[0] if views and all(view == views[0] for view in views) else None


def _category(document: dict[str, Any], faults: list[Fault]) -> str | None:
    number, name = document.get("category_id"), document.get("category_name")
    if number is None or name is None:
        return None
    if isinstance(number, int) and _CATEGORIES.get(number) == name:
        return str(name)
    faults.append(Fault.CATEGORY_MISMATCH)
    return None


def _category_of_slots(points: NDArray[np.float64]) -> str | None:
    """Return the category by the filled slots, which cannot tell outerwear from tops."""
    known = points[:, 2] > 0
    if known[_ARMS].any():
        return "tops"
    if known[_HIPS_AND_KNEES].any():
        return "bottoms"
    return "cap_and_hat" if known[_FACE].any() else None


def _image_size(document: dict[str, Any], faults: list[Fault]) -> tuple[int, int] | None:
    size = document.get("image_size")
    if isinstance(size, dict):
        width, height = size.get("width"), size.get("height")
        if isinstance(width, int) and isinstance(height, int) and 0 < min(width, height) <= max(width, height) < 1e5:
            return width, height
    faults.append(Fault.MISSING_IMAGE_SIZE)
    return None


def _numbers(value: Any, path: str, reason: Fault) -> NDArray[np.float64]:
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise RecordError(reason, path, "coordinates are not numbers") from error


def _check_range(numbers: NDArray[np.float64], path: str, reason: Fault) -> None:
    # The maximum is NaN if any number is, and comparisons with NaN are false.
    if numbers.size and not np.abs(numbers).max() <= _COORDINATE_LIMIT:
        raise RecordError(reason, path, "a coordinate is NaN, infinite or absurdly large")


def _landmarks(value: Any, path: str, faults: list[Fault]) -> NDArray[np.float64]:
    numbers = _numbers(value, path, Fault.BAD_POSE) if isinstance(value, list) else np.empty(0)
    _check_range(numbers, path, Fault.BAD_POSE)
    if numbers.ndim == 2:
        faults.append(Fault.NESTED_LANDMARKS)
    if numbers.size != NUM_KEYPOINTS * 3:
        raise RecordError(
            Fault.BAD_POSE, path, f"{NUM_KEYPOINTS * 3} landmark numbers are expected, not {numbers.size}"
        )
    return numbers.reshape(NUM_KEYPOINTS, 3).copy()


def _read_parse(data: bytes, path: str, names: dict[int, str], keys: tuple[str, str]) -> Parse:
    document, faults = _load(data, path, Fault.BAD_PARSE)
    if _product_side(document, path, faults):
        _category(document, faults)
    size = _image_size(document, faults)
    regions: dict[str, list[Polygon]] = {}
    entries = {key: value for key, value in document.items() if isinstance(value, dict) and "segmentation" in value}
    numbers = sorted(int(match[1]) for key in entries if (match := _REGION.match(key)))
    if numbers != list(range(1, len(numbers) + 1)):
        faults.append(Fault.REGION_NUMBERS)
    for key, value in entries.items():
        name = _region_name(value, names, keys)
        if name is None:
            faults.append(Fault.UNKNOWN_REGION)
            continue
        if name in regions or key.endswith(")"):
            faults.append(Fault.REPEATED_REGION)
        regions.setdefault(name, []).extend(_polygons(value["segmentation"], path, faults))
    filled = regions_of(regions)
    if not filled:
        raise RecordError(Fault.EMPTY_PARSE, path, "no region with a polygon; the image has to be labelled again")
    _check_range(np.array([region.bounds for region in filled]), path, Fault.BAD_PARSE)
    return Parse(filled, size, tuple(dict.fromkeys(faults)), _origin(document))


def regions_of(polygons: Mapping[str, Sequence[Polygon]]) -> tuple[Region, ...]:
    """Return the named regions, except those without a polygon."""
    filled = {name: tuple(some) for name, some in polygons.items() if some}
    if not filled:
        return ()
    lengths = [sum(map(len, some)) for some in filled.values()]
    starts = [0, *accumulate(lengths[:-1])]
    points = np.concatenate([polygon for some in filled.values() for polygon in some])
    extremes = np.hstack([edge.reduceat(points, starts) for edge in (np.minimum, np.maximum)]).tolist()
    return tuple(Region(name, some, tuple(box)) for (name, some), box in zip(filled.items(), extremes, strict=True))


def _region_name(region: dict[str, Any], names: dict[int, str], keys: tuple[str, str]) -> str | None:
    name = next((region[key] for key in keys if isinstance(region.get(key), str)), None)
    category = region.get("category_id")
    return name or (names.get(category) if isinstance(category, int) else None)


def _polygons(segmentation: Any, path: str, faults: list[Fault]) -> list[Polygon]:
    if not isinstance(segmentation, list):
        raise RecordError(Fault.BAD_PARSE, path, "a segmentation is a list of polygons")
    if segmentation and isinstance(segmentation[0], int | float):
        segmentation = [segmentation]
    polygons: list[Polygon] = []
    for polygon in segmentation:
        numbers = _numbers(polygon, path, Fault.BAD_PARSE)
        if numbers.ndim == 1 and numbers.size and numbers.size % 2 == 0:
            numbers = numbers.reshape(-1, 2)
            faults.append(Fault.FLAT_POLYGON)
        if numbers.ndim != 2 or numbers.shape[1] != 2 or len(numbers) < 3:
            faults.append(Fault.DEGENERATE_POLYGON)
            continue
        if len(numbers) > _POINT_LIMIT:
            raise RecordError(Fault.BAD_PARSE, path, f"a polygon of {len(numbers)} points; label the image again")
        polygons.append(numbers)
    return polygons

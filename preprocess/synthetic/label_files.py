"""Pose and parse files of AI-Hub 78 for drawn and for annotated images, as JSON-ready documents."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from preprocess.synthetic.drawing.annotated import BACKGROUND, ITEM_REGIONS, MODEL_REGIONS, Drawing
from preprocess.synthetic.drawing.polygons import region_polygons
from preprocess.synthetic.garments.garment import Slot

HUMAN: Final = (1, "human")
CATEGORIES: Final[dict[Slot, tuple[int, str]]] = {
    "outer": (1, "outerwear"),
    "upper": (2, "tops"),
    "dress": (2, "tops"),
    "lower": (3, "bottoms"),
}
"""Number and name of each item category; the format has none for dresses."""

Document = dict[str, Any]


def model_file_name(stem: str) -> str:
    """Return release 1's name of an image, which release 2's labels still carry: ``1008_A001_000`` is the stem."""
    day, look, frame = stem.split("_")
    return f"{day}_{day}_720_{look[0]}_{look}_{look}_{frame}.jpg"


def _landmarks(keypoints: NDArray[np.float64]) -> list[float]:
    flat: list[float] = []
    for x, y, visible in keypoints.tolist():
        flat += [round(x, 3), round(y, 3), int(visible)] if visible else [0, 0, 0]
    return flat


def pose_document(drawing: Drawing, file_name: str, category: tuple[int, str]) -> Document:
    """Return a Model-Pose or Item-Pose file; ``category`` is number and name."""
    return {
        "file_name": file_name,
        "view_point": drawing.view_point,
        "num_keypoints": int((drawing.keypoints[:, 2] > 0).sum()),
        "landmarks": _landmarks(drawing.keypoints),
        "category_id": category[0],
        "category_name": category[1],
        "image_size": _size(drawing),
    }


def model_parse_document(drawing: Drawing, file_name: str) -> Document:
    """Return a Model-Parse file."""
    regions = _regions(drawing, MODEL_REGIONS, "category_name")
    return {"file_name": file_name, **regions, "image_size": _size(drawing)}


def item_parse_document(drawing: Drawing, file_name: str, category: tuple[int, str]) -> Document:
    """Return an Item-Parse file; ``category`` is number and name."""
    number, name = category
    regions = _regions(drawing, ITEM_REGIONS, "product_type")
    return {
        "file_name": file_name,
        **regions,
        "image_size": _size(drawing),
        "category_id": number,
        "category_name": name,
    }


def _size(drawing: Drawing) -> dict[str, int]:
    height, width = drawing.labels.shape
    return {"width": width, "height": height}


def _regions(drawing: Drawing, names: tuple[str, ...], key: str) -> Document:
    regions: Document = {}
    for label in np.flatnonzero(np.bincount(drawing.labels.ravel())).tolist():
        polygons = [] if label == BACKGROUND else region_polygons(drawing.labels, label)
        if polygons:
            regions[f"region{len(regions) + 1}"] = {
                "category_id": label,
                "view_point": drawing.view_point,
                key: names[label],
                "segmentation": polygons,
            }
    return regions


def model_pose(drawing: Drawing, stem: str) -> Document:
    """Return the Model-Pose file of a look's frame."""
    return pose_document(drawing, model_file_name(stem), HUMAN)


def model_parse(drawing: Drawing, stem: str) -> Document:
    """Return the Model-Parse file of a look's frame."""
    return model_parse_document(drawing, model_file_name(stem))


def item_pose(drawing: Drawing, stem: str, slot: Slot) -> Document:
    """Return the Item-Pose file of a product image; ``stem`` is like ``1008001_F``."""
    return pose_document(drawing, f"{stem}.jpg", CATEGORIES[slot])


def item_parse(drawing: Drawing, stem: str, slot: Slot) -> Document:
    """Return the Item-Parse file of a product image."""
    return item_parse_document(drawing, f"{stem}.jpg", CATEGORIES[slot])

"""Label files as the datasets have them: their places, keypoints as JSON, and regions by a label table."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.formats.keypoint_files import BODY_25, COCO_18
from preprocess.label_tables import REGIONS, Pixelwise, label_names
from preprocess.synthetic.drawing.annotated import MODEL_REGIONS
from preprocess.synthetic.drawing.canvas import U8
from schemas import TORSO, Source

LabelKind = Literal["person-pose", "person-parse", "product-pose", "product-parse"]

_SURE, _HIDDEN = 0.9, 0.15
"""Scores that are written for joints that are visible, and for those that are hidden."""
_AIHUB: Final[dict[LabelKind, str]] = {
    "person-pose": "Model-Pose", "person-parse": "Model-Parse", "product-pose": "Item-Pose",
    "product-parse": "Item-Parse",
}  # fmt: skip
_VITON_HD: Final[dict[LabelKind, tuple[str, str, str]]] = {
    "person-pose": ("image", "openpose_json", "_keypoints.json"),
    "person-parse": ("image", "image-parse-v3", ".png"),
    "product-parse": ("cloth", "cloth-mask", ".png"),
}
"""The images' folder, the labels' folder, and the ending of a label's name."""
_DRESS_CODE: Final[dict[LabelKind, tuple[str, str, str]]] = {
    "person-pose": ("images", "keypoints", "_2.json"),
    "person-parse": ("images", "label_maps", "_4.png"),
}
_NEAREST: Final = {
    "neck": ("neck", "torso skin", "head", "face"), "hat": ("hat", "hair"),
    "outer_torso": ("coat", "upper"), "outer_rsleeve": ("coat", "upper"), "outer_lsleeve": ("coat", "upper"),
    "inner_torso": ("upper",), "inner_rsleeve": ("upper",), "inner_lsleeve": ("upper",),
    "pants_hip": ("pants",), "pants_rsleeve": ("pants",), "pants_lsleeve": ("pants",), "face": ("face", "head"),
    "right_arm": ("right arm", "arms"), "left_arm": ("left arm", "arms"), "right_leg": ("right leg", "legs"),
    "left_leg": ("left leg", "legs"), "right_shoe": ("right shoe", "shoes", "feet"),
    "left_shoe": ("left shoe", "shoes", "feet"),
}  # fmt: skip
"""Region → the labels that may stand for it where a table has no label of the region's own name."""


def file_of(source: Source, image: str, kind: LabelKind) -> str:
    """Return where a label of an image lies, relative to the dataset."""
    path = PurePosixPath(image)
    if source == "aihub":
        return str(path.parent.parent / _AIHUB[kind] / f"{path.stem}.json")
    images, labels, ending = (_VITON_HD if source == "viton-hd" else _DRESS_CODE)[kind]
    parts = list(path.parent.parts)
    place = max(place for place, part in enumerate(parts) if part.lower() == images)
    parts[place] = labels
    stem = path.stem.removesuffix("_0") if source == "dress-code" else path.stem
    return str(PurePosixPath(*parts, f"{stem}{ending}"))


def openpose_document(keypoints: NDArray[np.float64]) -> dict[str, Any]:
    """Return OpenPose's JSON, BODY_25, of a pose (17, 3) with 0 for absent, 1 for hidden, 2 for visible."""
    rows = _rows(keypoints, BODY_25, 25, 0.0)
    shoulders, hips = (keypoints[list(pair)] for pair in (TORSO[:2], TORSO[2:]))
    for row, pair in ((1, shoulders), (8, hips)):
        if (pair[:, 2] > 0).all():
            rows[row] = (*pair[:, :2].mean(axis=0), _SURE)
    flat = [round(value, 3) for value in rows.ravel().tolist()]
    return {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": flat}]}


def coco_18_document(keypoints: NDArray[np.float64]) -> dict[str, Any]:
    """Return Dress Code's JSON of a pose on its grid: 18 rows of x, y, score, number; -1 for an absent joint."""
    rows = _rows(keypoints, COCO_18, 18, -1.0)
    shoulders = keypoints[list(TORSO[:2])]
    if (shoulders[:, 2] > 0).all():
        rows[1] = (*shoulders[:, :2].mean(axis=0), _SURE)
    numbered = [
        [round(x, 3), round(y, 3), score, float(number)] if score > 0 else [-1.0, -1.0, 0.0, -1.0]
        for number, (x, y, score) in enumerate(rows.tolist())
    ]
    return {"keypoints": numbered}


def numbers_of(regions: U8, table: Pixelwise) -> U8:
    """Return the label numbers of AI-Hub's regions (h, w), 255 for none, by a table."""
    names = list(label_names(table))
    values = np.zeros(256, np.uint8)
    for number, region in enumerate(MODEL_REGIONS):
        own = [name for name in names if REGIONS.get(name) == region]
        labels = [*(name for name in _NEAREST.get(region, (region,)) if name in names), *own]
        values[number] = names.index(labels[0]) if labels else 0
    return np.asarray(cv2.LUT(regions, values), np.uint8)


def _rows(keypoints: NDArray[np.float64], order: tuple[int, ...], count: int, absent: float) -> NDArray[np.float64]:
    rows = np.full((count, 3), (absent, absent, 0.0))
    for slot, row in enumerate(order):
        x, y, known = keypoints[slot].tolist()
        if known > 0:
            rows[row] = (x, y, _SURE if known > 1 else _HIDDEN)
    return rows

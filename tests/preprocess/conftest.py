"""A small AI-Hub data set, made by hand: two looks, one item each, flat colours that tests can tell apart."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

LABELS = "01.데이터/1.Training/라벨링데이터_230515_add/2021_Fashion_train_labels_v230428"
ITEMS = "01.데이터/1.Training/원천데이터_230515_add/2021_Fashion_train_itemimages_v230428/Item-Image"
MODELS = "01.데이터/1.Training/원천데이터_230515_add/2021_Fashion_train_modelimages_v230428/Model-Image"
SIZE = {"width": 720, "height": 1280}

COLOURS = {  # RGB
    "background": (230, 230, 230), "hair": (60, 40, 20), "face": (250, 200, 170), "neck": (245, 190, 160),
    "inner_torso": (200, 0, 0), "inner_rsleeve": (200, 0, 0), "inner_lsleeve": (200, 0, 0),
    "right_arm": (240, 180, 150), "left_arm": (240, 180, 150), "pants_hip": (0, 0, 160),
    "right_shoe": (0, 90, 0), "left_shoe": (0, 90, 0), "torso": (200, 0, 0),
}  # fmt: skip

PERSON = {  # x0, y0, x1, y1; arms hang, sleeves end at the elbow
    "hair": (320, 150, 400, 200), "face": (325, 201, 395, 270), "neck": (345, 271, 375, 299),
    "inner_torso": (290, 300, 430, 560), "inner_rsleeve": (240, 300, 289, 420), "inner_lsleeve": (431, 300, 480, 420),
    "right_arm": (245, 421, 285, 640), "left_arm": (435, 421, 475, 640), "pants_hip": (295, 561, 425, 1000),
    "right_shoe": (295, 1001, 350, 1040), "left_shoe": (370, 1001, 425, 1040),
}  # fmt: skip

PERSON_POINTS = [
    (360, 240), (375, 230), (345, 230), (390, 235), (330, 235), (455, 310), (265, 310), (455, 430), (265, 430),
    (455, 560), (265, 560), (400, 570), (320, 570), (395, 780), (325, 780), (395, 1000), (322, 1000),
]  # fmt: skip

PRODUCT = {"torso": (250, 400, 470, 760)}
PRODUCT_POINTS = {5: (450, 410), 6: (270, 410), 11: (460, 750), 12: (260, 750)}


def box(x0: float, y0: float, x1: float, y1: float) -> list[list[float]]:
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


def picture(parts: dict[str, tuple[int, int, int, int]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    pixels = np.full((1280, 720, 3), COLOURS["background"], np.uint8)
    for name, (x0, y0, x1, y1) in parts.items():
        pixels[y0 : y1 + 1, x0 : x1 + 1] = COLOURS[name]
    return pixels


def landmarks(points: Mapping[int, tuple[float, float]]) -> list[float]:
    return [value for slot in range(17) for value in ((*points[slot], 2) if slot in points else (0, 0, 0))]


def pose_document(points: Mapping[int, tuple[float, float]], **more: Any) -> dict[str, Any]:
    return {"view_point": 0, "landmarks": landmarks(points), "image_size": SIZE, **more}


def parse_document(parts: dict[str, tuple[int, int, int, int]], key: str) -> dict[str, Any]:
    regions = {f"region{n}": {key: name, "segmentation": [box(*b)]} for n, (name, b) in enumerate(parts.items(), 1)}
    return {**regions, "image_size": SIZE}


def write_json(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def write_picture(path: Path, pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 98])
    assert done
    path.write_bytes(data.tobytes())


def write_look(root: Path, look: str, item: str) -> None:
    points = dict(enumerate(PERSON_POINTS))
    write_picture(root / MODELS / f"{look}_000.jpg", picture(PERSON))
    write_json(root / LABELS / f"Model-Pose/{look}_000.json", pose_document(points))
    write_json(root / LABELS / f"Model-Parse/{look}_000.json", parse_document(PERSON, "category_name"))
    write_picture(root / ITEMS / f"{item}_F.jpg", picture(PRODUCT))
    write_json(root / LABELS / f"Item-Pose/{item}_F.json", pose_document(PRODUCT_POINTS))
    write_json(root / LABELS / f"Item-Parse/{item}_F.json", parse_document(PRODUCT, "product_type"))


@pytest.fixture
def aihub(tmp_path: Path) -> Path:
    """A data set of two looks in AI-Hub's layout of release 2."""
    root = tmp_path / "aihub"
    write_look(root, "1008_A001", "1008001")
    write_look(root, "1008_A002", "1008002")
    rows = [
        {"wearing": f"1008_A00{n}_000.jpg", "hat": None, "main_top": f"100800{n}", "bottom": None} for n in (1, 2)
    ]  # fmt: skip
    write_json(root / LABELS / "winfo_train.json", rows)
    return root


@pytest.fixture
def edit() -> Callable[[Path, Callable[[Any], None]], None]:
    """Change a JSON file in place."""

    def change(path: Path, how: Callable[[Any], None]) -> None:
        document = json.loads(path.read_text(encoding="utf-8"))
        how(document)
        write_json(path, document)

    return change

"""Small data sets in the layouts of VITON-HD and Dress Code, of drawn people; every pixel's truth is known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from preprocess.formats.keypoint_files import BODY_25, COCO_18
from preprocess.label_tables import NAMES, PALETTES, Pixelwise
from preprocess.synthetic.drawing.annotated import BACKGROUND, MODEL_REGIONS
from preprocess.synthetic.garments.garment import Kind
from preprocess.synthetic.garments.item import draw_item
from preprocess.synthetic.outfits import Item, Look, Variety
from preprocess.synthetic.people.look import draw_look
from preprocess.synthetic.people.pose import frame_yaw

U8 = NDArray[np.uint8]
SIZE = (768, 1024)
SCALE = 0.8
PADDED = 120
"""Pixels that a drawn picture of 720 x 1280 gets on either side, to have the shape of 768 x 1024."""

_CIHP = {"face": "face", "neck": "torso skin", "outer": "coat", "inner": "upper", "pants": "pants"}
_DRESS_CODE = {"face": "head", "neck": "head", "outer": "upper", "inner": "upper", "pants": "pants"}


@cache
def look(
    seed: int, kinds: tuple[Kind, ...], frame: str = "000", variety: Variety = "easy"
) -> tuple[U8, U8, NDArray[np.float64]]:
    """Return a picture (1024, 768, 3), its regions by drawn number, and keypoints (17, 3) in its pixels.

    The frame (000 front, 088 side, 132 back) is AI-Hub's.
    """
    worn = [Item("", kind, seed, "train", variety).garment() for kind in kinds]
    wearer = Look("", "train", seed, seed, (), variety)
    stance = wearer.stance()
    drawing = draw_look(wearer.wearer(), stance, frame_yaw(stance, frame), worn)
    points = drawing.keypoints.copy()
    points[:, 0] += PADDED
    points[:, :2] *= SCALE
    points[drawing.keypoints[:, 2] == 0] = 0
    return _resized(drawing.image), _resized(drawing.labels, BACKGROUND), points


@cache
def product(seed: int, kind: Kind, variety: Variety = "easy") -> tuple[U8, NDArray[np.bool_]]:
    """Return a garment's picture (1024, 768, 3) before a plain background, and where it is."""
    drawing = draw_item(Item("", kind, seed, "train", variety).garment(), back=False)
    return _resized(drawing.image), _resized(drawing.labels, BACKGROUND) != BACKGROUND


def label_map(regions: U8, labels: Pixelwise, dress: bool = False) -> U8:
    """Return the regions by the numbers of a table."""
    parts = _DRESS_CODE if labels == "dress-code" else _CIHP
    numbers = np.zeros_like(regions)
    for number, region in enumerate(MODEL_REGIONS):
        first = region.split("_")[0]
        name = parts.get(first, region.replace("_", " "))
        if dress and name in ("upper", "skirt"):
            name = "dress"
        numbers[regions == number] = NAMES[labels].index(name)
    return numbers


def body_25(points: NDArray[np.float64]) -> list[float]:
    """Return keypoints as OpenPose's 25 rows of x, y, score, flat."""
    return _rows(points, BODY_25, 25, 0.0).ravel().tolist()


def coco_18(points: NDArray[np.float64]) -> list[list[float]]:
    """Return keypoints as Dress Code's 18 rows of x, y, score, number, on its grid of half the picture's size."""
    rows = _rows(points * (0.5, 0.5, 1), COCO_18, 18, -1.0)
    return [
        [x, y, score, float(number)] if score > 0 else [-1.0, -1.0, 0.0, -1.0]
        for number, (x, y, score) in enumerate(rows)
    ]


def write_map(path: Path, numbers: U8, colours: Sequence[tuple[int, int, int]] = PALETTES[0]) -> None:
    """Write a label map as a palette PNG."""
    picture = Image.fromarray(numbers, "P")
    picture.putpalette([value for colour in colours for value in colour])
    _made(path)
    picture.save(path)


def write_jpeg(path: Path, pixels: U8, **options: Any) -> None:
    """Write a picture, RGB or grey."""
    _made(path)
    Image.fromarray(pixels).save(path, "JPEG", quality=95, **options)


def write_json(path: Path, document: Any) -> None:
    """Write a JSON file."""
    _made(path)
    path.write_text(json.dumps(document), encoding="utf-8")


def openpose(people: Iterable[list[float]], key: str = "pose_keypoints_2d") -> dict[str, Any]:
    """Return the document of OpenPose's JSON."""
    return {"version": 1.3, "people": [{"person_id": [-1], key: numbers} for numbers in people]}


def write_viton_hd(root: Path, split: str, stem: str, seed: int, frame: str = "000", variety: Variety = "easy") -> None:
    """Write one person and the own garment."""
    pixels, regions, points = look(seed, ("top", "trousers"), frame, variety)
    garment_pixels, mask = product(seed, "top", variety)
    folder = root / split
    write_jpeg(folder / f"image/{stem}.jpg", pixels)
    write_jpeg(folder / f"cloth/{stem}.jpg", garment_pixels)
    write_jpeg(folder / f"cloth-mask/{stem}.jpg", mask.astype(np.uint8) * 255)
    write_map(folder / f"image-parse-v3/{stem}.png", label_map(regions, "cihp"))
    write_json(folder / f"openpose_json/{stem}_keypoints.json", openpose([body_25(points)]))


OUTFITS: dict[str, tuple[Kind, ...]] = {
    "upper_body": ("top", "trousers"),
    "lower_body": ("top", "trousers"),
    "dresses": ("dress",),
}
TRIED_ON: dict[str, Kind] = {"upper_body": "top", "lower_body": "trousers", "dresses": "dress"}


def write_dress_code(
    root: Path, category: str, number: str, seed: int, frame: str = "000", variety: Variety = "easy"
) -> None:
    """Write one person and the own garment."""
    pixels, regions, points = look(seed, OUTFITS[category], frame, variety)
    garment_pixels, _ = product(seed, TRIED_ON[category], variety)
    folder = root / category
    write_jpeg(folder / f"images/{number}_0.jpg", pixels)
    write_jpeg(folder / f"images/{number}_1.jpg", garment_pixels)
    numbers = label_map(regions, "dress-code", dress=category == "dresses")
    write_map(folder / f"label_maps/{number}_4.png", numbers, PALETTES[1])
    write_json(folder / f"keypoints/{number}_2.json", {"keypoints": coco_18(points)})


def _rows(points: NDArray[np.float64], order: tuple[int, ...], count: int, absent: float) -> NDArray[np.float64]:
    rows = np.full((count, 3), (absent, absent, 0.0))
    for slot, row in enumerate(order):
        if points[slot, 2]:
            rows[row] = (*points[slot, :2], 0.9)
    return rows


def _resized(picture: U8, fill: int | None = None) -> U8:
    if fill is None:
        wide = cv2.copyMakeBorder(picture, 0, 0, PADDED, PADDED, cv2.BORDER_REPLICATE)
        return np.asarray(cv2.resize(wide, SIZE, interpolation=cv2.INTER_AREA), np.uint8)
    wide = cv2.copyMakeBorder(picture, 0, 0, PADDED, PADDED, cv2.BORDER_CONSTANT, value=[fill])
    return np.asarray(cv2.resize(wide, SIZE, interpolation=cv2.INTER_NEAREST), np.uint8)


def _made(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)

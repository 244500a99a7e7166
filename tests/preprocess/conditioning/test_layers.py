"""Which garment is worn over which: by the regions' names, and by the pictures where these do not settle it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from preprocess.conditioning import person_side
from preprocess.conditioning.layers import (
    beneath,
    contradicts_list,
    is_clearly_more_like,
    layers_in,
    likeness,
    outermost,
    palette,
)
from preprocess.conditioning.regions import label_map
from preprocess.faults import RecordError
from preprocess.formats.aihub_json import Parse, regions_of
from preprocess.formats.label_maps import PixelParse
from preprocess.loading.layer_check import check_layers
from preprocess.loading.subjects import load_person, load_product
from preprocess.planning.pairing import records
from preprocess.sources import Files, Record
from preprocess.sources.aihub import open_aihub
from schemas import Crop

RED, GREEN, BLUE = (200, 0, 0), (0, 150, 0), (30, 30, 170)
SQUARE = np.array([[0, 0], [9, 0], [9, 9], [0, 9]], np.float64)


def parse(*names: str) -> Parse:
    return Parse(regions_of({name: [SQUARE] for name in names}), None, ())


def test_outer_regions_are_the_outermost_top_where_there_are_any() -> None:
    assert "outer_torso" in outermost(parse("inner_torso", "outer_torso"), "upper")
    assert "inner_torso" not in outermost(parse("inner_torso", "outer_torso"), "upper")
    assert {"inner_torso", "dress_torso"} <= outermost(parse("inner_torso", "neck"), "upper")
    assert beneath(parse("inner_torso")) == frozenset()
    assert "inner_torso" in beneath(parse("inner_torso", "outer_lsleeve"))


def patch(side: float) -> np.ndarray:
    return SQUARE / 9 * side


@pytest.mark.parametrize(("coat", "layers"), [(1, 1), (15, 1), (40, 2)], ids=["1 px", "2 %", "a seventh"])
@pytest.mark.parametrize("pixelwise", [False, True])
def test_a_layer_is_a_share_of_the_top(coat: int, layers: int, pixelwise: bool) -> None:
    drawn: Parse | PixelParse
    if pixelwise:
        numbers = np.zeros((256, 192), np.uint8)
        numbers[:100, :100] = 1
        numbers[:coat, :coat] = 2
        drawn = PixelParse(numbers, ("background", "inner_torso", "outer_torso"))
    else:
        drawn = Parse(regions_of({"inner_torso": [patch(100)], "outer_torso": [patch(coat)]}), None, ())
    assert layers_in(drawn) == layers
    assert ("outer_torso" in outermost(drawn, "upper")) == (layers == 2)


def test_a_few_pixels_beneath_the_only_top_are_no_layer() -> None:
    drawn = Parse(regions_of({"outer_torso": [patch(150)], "inner_torso": [patch(5)]}), None, ())
    labels = label_map(drawn, Crop(x=0, y=0, side=200))
    square = np.full((200, 200, 3), 90, np.uint8)

    def unused() -> None:
        raise AssertionError("colours are not compared")

    assert not contradicts_list(square, labels, drawn, 1, unused, unused)


def test_lower_garments_and_dresses_have_regions_of_their_own() -> None:
    assert outermost(parse("outer_torso"), "lower") == {"pants_hip", "pants_rsleeve", "pants_lsleeve", "skirt"}
    assert {"inner_torso", "skirt"} <= outermost(parse("inner_torso"), "dress")


def flat(colour: tuple[int, int, int], light: float = 1.0) -> Any:
    pixels = np.clip(np.full((60, 60, 3), colour) * light, 0, 255).astype(np.uint8)
    return palette(pixels, np.ones((60, 60), np.bool_))


def test_likeness_bears_other_light_and_tells_other_colours() -> None:
    assert likeness(flat(RED), flat(RED)) == pytest.approx(1.0, abs=1e-5)
    assert likeness(flat(RED), flat(RED, 0.85)) > 0.4
    assert likeness(flat(RED), flat(GREEN)) < 0.01
    assert is_clearly_more_like(flat(RED), flat(RED, 0.9), flat(GREEN))
    assert not is_clearly_more_like(flat(RED), flat(RED), flat(RED, 0.99))
    assert not is_clearly_more_like(flat(RED), None, flat(GREEN))
    assert palette(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), np.bool_)) is None


@pytest.fixture
def layered(aihub: Path, edit: Callable[[Path, Callable[[Any], None]], None]) -> Path:
    """The first look in an open jacket (its sides and sleeves, green) over a shirt (the middle, red)."""
    jacket = [(290, 300, 330, 560), (390, 300, 430, 560), (240, 300, 289, 420), (431, 300, 480, 420)]

    def wear(document: Any) -> None:
        for region in document.values():
            if str(region.get("category_name")).startswith("inner_") and region["category_name"] != "inner_torso":
                region["category_name"] = region["category_name"].replace("inner", "outer")
        polygons = [[[x0, y0], [x1, y0], [x1, y1], [x0, y1]] for x0, y0, x1, y1 in jacket[:2]]
        document["region90"] = {"category_name": "outer_torso", "segmentation": polygons}

    edit(next(aihub.rglob("Model-Parse/1008_A001_000.json")), wear)
    path = next(aihub.rglob("Model-Image/1008_A001_000.jpg"))
    pixels = np.asarray(cv2.imread(str(path)), np.uint8)
    for x0, y0, x1, y1 in jacket:
        pixels[y0 : y1 + 1, x0 : x1 + 1] = GREEN[::-1]
    cv2.imwrite(str(path), pixels)
    return aihub


def paint_product(root: Path, item: str, colour: tuple[int, int, int]) -> None:
    path = next(root.rglob(f"Item-Image/{item}_F.jpg"))
    pixels = np.asarray(cv2.imread(str(path)), np.uint8)
    pixels[400:761, 250:471] = colour[::-1]
    cv2.imwrite(str(path), pixels)


def check(root: Path, layers: int) -> None:
    files = Files(root)
    first: Record = next(iter(records(open_aihub(files), "upper")))
    under = {"beneath_image": first.product_image.replace("1008001", "1008002")} if layers == 2 else {}
    under |= {"beneath_parse": first.product_parse.replace("1008001", "1008002")} if layers == 2 else {}
    record = replace(first, layers=layers, **under)  # type: ignore[arg-type]
    person = load_person(files, record)
    check_layers(files, person, person_side(person, record.garment), load_product(files, record), record)


def rejected(root: Path, layers: int) -> bool:
    try:
        check(root, layers)
    except RecordError as error:
        return error.reason == "ambiguous-layers"
    return False


@pytest.mark.parametrize(
    ("colour", "layers", "wrong"),
    [
        (GREEN, 2, False), (BLUE, 2, False), (RED, 2, True),
        (GREEN, 1, False), (RED, 1, True), (BLUE, 1, True),
    ],
    ids=["outer", "neither: the list counts", "inner", "one listed: outer", "one: inner", "one: unclear"],
)  # fmt: skip
def test_two_layers_in_the_parse(layered: Path, colour: Any, layers: int, wrong: bool) -> None:
    paint_product(layered, "1008001", colour)
    assert rejected(layered, layers) == wrong


@pytest.mark.parametrize(("main", "under", "wrong"), [(RED, GREEN, False), (GREEN, RED, True), (BLUE, GREEN, False)])
def test_two_listed_and_one_in_the_parse(aihub: Path, main: Any, under: Any, wrong: bool) -> None:
    paint_product(aihub, "1008001", main)
    paint_product(aihub, "1008002", under)
    assert rejected(aihub, 2) == wrong


def test_what_lies_beneath_may_be_missing(aihub: Path) -> None:
    next(aihub.rglob("Item-Image/1008002_F.jpg")).unlink()
    assert not rejected(aihub, 2)

"""Cloth under wrong labels is found by its colour, wherever it is; sound labels lose nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from preprocess.conditioning.agnostic import Shown, shown
from preprocess.conditioning.masks import dilated
from preprocess.conditioning.regions import LabelMap, label_of, pixels_of
from schemas import Garment

SIDE = 440
RED, SKIN, HAIR, BLUE = (190, 20, 30), (230, 175, 150), (60, 40, 20), (30, 40, 160)
BODY = {
    "hair": (HAIR, (165, 30, 275, 150)),
    "pants_hip": (BLUE, (150, 280, 290, 440)),
    "inner_torso": (RED, (150, 130, 290, 290)),
    "right_arm": (SKIN, (95, 270, 125, 330)),
    "left_arm": (SKIN, (315, 270, 345, 330)),
    "inner_rsleeve": (RED, (90, 140, 130, 280)),
    "inner_lsleeve": (RED, (310, 140, 350, 280)),
    "face": (SKIN, (190, 50, 250, 125)),
}
CUFFS = slice(225, 300)


def drawn() -> tuple[NDArray[np.uint8], LabelMap, NDArray[np.float64]]:
    """Draw a person in a red top with hanging arms, with noise as of a photograph: image, labels, pose."""
    image = np.full((SIDE, SIDE, 3), 235, np.uint8)
    labels = np.zeros((SIDE, SIDE), np.uint8)
    for name, (colour, (left, top, right, bottom)) in BODY.items():
        image[top:bottom, left:right] = colour
        labels[top:bottom, left:right] = label_of(name)
    noise = np.random.default_rng(0).normal(0, 5, image.shape)
    points = np.zeros((17, 3))
    joints = {5: (285, 140), 6: (155, 140), 7: (330, 210), 8: (110, 210), 9: (330, 285), 10: (110, 285),
              11: (260, 290), 12: (180, 290)}  # fmt: skip
    for joint, at in joints.items():
        points[joint] = (*at, 1)
    return (image + noise).clip(0, 255).astype(np.uint8), labels, points


def seen(image: NDArray[np.uint8], labels: LabelMap, garment: Garment = "upper") -> Shown:
    worn = pixels_of(labels, frozenset(name for name in BODY if name.startswith("inner")))
    return shown(image, labels, worn, drawn()[2], garment, SIDE)


def true_garment() -> NDArray[np.bool_]:
    _, labels, _ = drawn()
    return pixels_of(labels, frozenset(name for name in BODY if name.startswith("inner")))


def test_sound_labels_lose_nothing() -> None:
    image, labels, _ = drawn()
    assert seen(image, labels).stray is None


@pytest.mark.parametrize("wrong", ["left_arm", "pants_hip"])
def test_sleeve_ends_under_another_label_are_hidden(wrong: str) -> None:
    image, labels, _ = drawn()
    sleeves = pixels_of(labels, frozenset({"inner_rsleeve", "inner_lsleeve"}))
    sleeves[: CUFFS.start] = False
    labels[sleeves & (np.arange(SIDE) > SIDE / 2)] = label_of(wrong)
    labels[sleeves & (np.arange(SIDE) < SIDE / 2)] = label_of(wrong.replace("left", "right"))
    result = seen(image, labels)
    assert (result.kept & true_garment()).sum() <= 8
    hands = pixels_of(drawn()[1], frozenset({"left_arm", "right_arm"}))
    hands[:300] = False
    assert (result.kept & hands).sum() > 0.8 * hands.sum()


def test_a_hem_in_the_next_garment_s_label_is_hidden() -> None:
    image, labels, _ = drawn()
    labels[260:290, 150:290] = label_of("pants_hip")
    result = seen(image, labels)
    assert not (result.kept & true_garment()).any()
    trousers = result.kept[300:, 150:290]
    assert trousers.mean() > 0.95


def test_cloth_in_the_hair_is_hidden() -> None:
    image, labels, _ = drawn()
    below = dilated(pixels_of(labels, frozenset({"hair"})), 40) & true_garment()
    labels[below] = label_of("hair")
    result = seen(image, labels)
    assert (result.kept & true_garment()).sum() <= 8


def test_trousers_of_the_garment_s_colour_stay() -> None:
    """Nothing tells them apart, so nothing is removed."""
    image, labels, _ = drawn()
    where = pixels_of(labels, frozenset({"pants_hip"}))
    image[where] = np.clip(np.array(RED) + np.random.default_rng(1).normal(0, 5, (where.sum(), 3)), 0, 255)
    result = seen(image, labels)
    assert result.stray is None
    assert result.kept[310:, 150:290].mean() > 0.95


def test_what_has_the_garment_s_colour_elsewhere_stays() -> None:
    """A red emblem in the middle of the trousers does not continue the garment."""
    image, labels, _ = drawn()
    cv2.circle(image, (220, 390), 15, RED, cv2.FILLED)
    result = seen(image, labels)
    assert result.kept[370:410, 200:240].all()


def test_a_hem_as_deep_as_half_of_the_next_garment_s_label_is_hidden() -> None:
    image, labels, _ = drawn()
    labels[200:290, 150:290] = label_of("pants_hip")
    result = seen(image, labels)
    assert (result.kept & true_garment()).sum() <= 8
    assert result.kept[300:, 150:290].mean() > 0.95


def test_a_whole_sleeve_in_the_next_garment_s_label_is_hidden() -> None:
    image, labels, _ = drawn()
    image[140:280, 290:350], labels[140:280, 290:350] = RED, label_of("inner_lsleeve")  # it touches the top
    labels[220:320, 280:350] = label_of("pants_hip")
    image[280:320, 290:350] = BLUE
    result = seen(image, labels)
    assert (result.kept & (image == RED).all(axis=2)).sum() <= 8
    assert result.kept[330:, 150:290].mean() > 0.95


@pytest.mark.parametrize("width", [10, 18, 30])
def test_trousers_with_stripes_of_the_garment_s_colour_stay(width: int) -> None:
    """Each stripe begins at the garment and ends at an edge, but beside others."""
    image, labels, _ = drawn()
    stripes = np.arange(140) // width % 2 == 0
    image[290:, 150:290][:, stripes] = RED
    result = seen(image, labels)
    assert result.kept[310:, 150:290].mean() > 0.95


def test_a_garment_in_the_same_cloth_stays_beside_bare_limbs() -> None:
    """A skirt of the top's cloth above bare legs, and a top of the trousers' cloth beside bare arms."""
    image, labels, _ = drawn()
    image[290:380, 150:290], image[380:, 150:290] = RED, SKIN
    labels[290:380, 150:290], labels[380:, 150:290] = label_of("skirt"), label_of("left_leg")
    assert seen(image, labels).stray is None
    image[380:, 150:290], labels[290:, 150:290] = RED, label_of("pants_hip")
    image[140:280, 90:130] = image[140:280, 310:350] = SKIN
    labels[140:280, 90:130], labels[140:280, 310:350] = label_of("right_arm"), label_of("left_arm")
    assert shown(image, labels, labels == label_of("pants_hip"), drawn()[2], "lower", SIDE).stray is None


def test_trousers_that_darken_from_the_garment_s_colour_stay() -> None:
    """There is no edge at which the garment could end."""
    image, labels, _ = drawn()
    light = np.linspace(1.0, 0.3, 150)[:, None, None]
    image[290:, 150:290] = (np.full((150, 140, 3), RED) * light).astype(np.uint8)
    result = seen(image, labels)
    assert result.kept[310:, 150:290].mean() > 0.9


def test_the_ends_of_trousers_labelled_as_shoes_are_hidden() -> None:
    image, labels, _ = drawn()
    image[400:, 150:290] = (245, 245, 240)  # white shoes
    labels[400:, 150:290] = label_of("left_shoe")
    sound = shown(image, labels, labels == label_of("pants_hip"), drawn()[2], "lower", SIDE)
    assert sound.stray is None
    labels[370:400, 150:290] = label_of("left_shoe")
    result = shown(image, labels, labels == label_of("pants_hip"), drawn()[2], "lower", SIDE)
    assert (result.kept[300:400, 150:290]).sum() <= 8
    assert result.kept[410:, 150:290].mean() > 0.95

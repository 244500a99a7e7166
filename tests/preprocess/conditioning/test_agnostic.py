"""Ia: every pixel is the photograph's or mid-grey, and nothing is shown beyond the photograph."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from preprocess.conditioning.agnostic import agnostic, grey_where_hidden, hidden_box
from preprocess.conditioning.crop import photo_area
from preprocess.conditioning.masks import Box
from preprocess.conditioning.regions import LabelMap, label_of
from preprocess.formats.images import cut
from schemas import MID_GREY, Crop

SIDE = 400
WALL, RED, SKIN, HAIR, BLUE = (210, 220, 60), (200, 0, 0), (240, 180, 150), (60, 40, 20), (0, 0, 160)
BODY = {
    "hair": (HAIR, (170, 40, 230, 80)),
    "face": (SKIN, (180, 60, 220, 110)),
    "inner_torso": (RED, (140, 115, 260, 260)),
    "inner_rsleeve": (RED, (60, 120, 140, 160)),
    "inner_lsleeve": (RED, (260, 120, 340, 160)),
    "pants_hip": (BLUE, (150, 260, 250, 400)),
}


def drawn() -> tuple[NDArray[np.uint8], LabelMap, NDArray[np.float64]]:
    """Draw a person of boxes on a wall: image, labels, pose."""
    image = np.full((SIDE, SIDE, 3), WALL, np.uint8)
    labels = np.zeros((SIDE, SIDE), np.uint8)
    for name, (colour, (left, top, right, bottom)) in BODY.items():
        image[top:bottom, left:right] = colour
        labels[top:bottom, left:right] = label_of(name)
    points = np.zeros((17, 3))
    for joint, at in {5: (255, 120), 6: (145, 120), 11: (240, 265), 12: (160, 265)}.items():
        points[joint] = (*at, 1)
    return image, labels, points


def Ia_of(crop: Crop, size: int = 256) -> tuple[NDArray[np.uint8], Box]:
    image, labels, points = drawn()
    padded = np.pad(labels, SIDE)[SIDE + crop.y : SIDE + crop.y + crop.side, SIDE + crop.x : SIDE + crop.x + crop.side]
    photo = photo_area(crop, (SIDE, SIDE))
    claimed = np.isin(padded, [label_of(name) for name in BODY if name.startswith("inner")])
    moved = points - (crop.x, crop.y, 0)
    square, part = cut(image, crop), np.ascontiguousarray(padded)
    return agnostic(square, part, claimed, moved, "upper", photo=photo, size=size)[0], photo


def is_grey(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray((image == MID_GREY).all(axis=-1))


@pytest.mark.parametrize("crop", [Crop(x=0, y=0, side=400), Crop(x=13, y=7, side=337), Crop(x=-40, y=-9, side=419)])
def test_every_pixel_is_grey_or_the_photograph_s(crop: Crop) -> None:
    Ia, _ = Ia_of(crop)
    colours = np.array([WALL, SKIN, HAIR, BLUE])
    shown = Ia[~is_grey(Ia)].astype(int)
    nearest = np.abs(shown[:, None] - colours).max(axis=2).min(axis=1)
    # Colours next to each other mix where both are shown; grey mixes with none, nor does the garment.
    between = [np.abs(shown - (a * w + b * (1 - w))).max(axis=1)
               for a in colours for b in colours for w in np.linspace(0, 1, 41)]  # fmt: skip
    assert (np.minimum(nearest, np.min(between, axis=0)) > 12).sum() <= 2  # corners of three colours
    assert 0.1 < is_grey(Ia).mean() < 0.9


@pytest.mark.parametrize("crop", [Crop(x=-60, y=0, side=460), Crop(x=60, y=20, side=420), Crop(x=-80, y=-80, side=560)])
def test_beyond_the_photograph_everything_is_grey_up_to_the_box(crop: Crop) -> None:
    """The trousers reach the photograph's lower edge: below it there are neither they nor a bar of wall."""
    Ia, (rows, columns) = Ia_of(crop)
    scale = 256 / crop.side
    outside = np.ones((256, 256), np.bool_)
    inner = [(int(np.ceil(part.start * scale)), int(part.stop * scale)) for part in (rows, columns)]
    outside[inner[0][0] : inner[0][1], inner[1][0] : inner[1][1]] = False
    assert outside.any()
    assert is_grey(Ia)[outside].all()


def test_a_line_between_box_and_photograph_is_hidden_too() -> None:
    labels = np.zeros((200, 200), np.uint8)
    labels[40:196, 8:150] = 5
    assert hidden_box(labels, (slice(0, 200), slice(0, 200))) == (slice(36, 200), slice(0, 154))
    assert hidden_box(labels, (slice(0, 200), slice(3, 200))) == (slice(36, 200), slice(0, 154))
    assert hidden_box(labels, (slice(30, 200), slice(0, 170))) == (slice(36, 200), slice(0, 154))
    assert hidden_box(np.zeros((9, 9), np.uint8), (slice(0, 9), slice(0, 9))) is None


def test_a_limb_without_a_label_is_inside_the_hidden_box() -> None:
    """An unsure joint is not, nor is one beyond the crop."""
    labels, photo = np.zeros((200, 200), np.uint8), (slice(0, 200), slice(0, 200))
    labels[40:150, 80:120] = 2
    points = np.zeros((17, 3))
    points[5], points[7], points[8], points[9] = (110, 60, 1), (150, 90, 1), (30, 90, 0.5), (230, 90, 1)
    assert hidden_box(labels, photo, points) == (slice(36, 154), slice(76, 157))
    points[7] = (110, 90, 1)
    points[14] = (30, 260, 1)  # a knee below the crop, of legs apart
    assert hidden_box(labels, photo, points) == hidden_box(labels, photo) == (slice(36, 154), slice(76, 124))


@pytest.mark.parametrize(("side", "size"), [(100, 37), (100, 100), (64, 256), (1000, 256)])
def test_hidden_pixels_never_reach_the_scaled_image(side: int, size: int) -> None:
    """Whatever their colour is, hidden pixels change nothing."""
    rng = np.random.default_rng(0)
    visible = cv2.resize(rng.integers(0, 2, (8, 8), np.uint8), (side, side), interpolation=cv2.INTER_NEAREST) > 0
    image = rng.integers(0, 255, (side, side, 3), np.uint8)
    other: NDArray[Any] = image.copy()
    other[~visible] = 255 - other[~visible]
    assert np.array_equal(grey_where_hidden(image, visible, size), grey_where_hidden(other, visible, size))
    assert 0.2 < is_grey(grey_where_hidden(image, visible, size)).mean() < 0.9


@pytest.mark.parametrize("whole_half", [False, True])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("label", ["dress_torso", "inner_torso"])
def test_trousers_replace_a_dress_below_the_waist(whole_half: bool, known: bool, label: str) -> None:
    """Above the waist the dress is shown as a top would be; without a torso nothing of it is."""
    image, labels, points = drawn()
    dress = np.zeros((SIDE, SIDE), np.bool_)
    dress[115:360, 140:260] = True
    labels[labels == label_of("pants_hip")] = label_of("right_leg")
    image[dress], labels[dress] = RED, label_of(label)
    if not known:
        points[:] = 0
    claimed = np.zeros_like(dress)
    Ia, _ = agnostic(image, labels, claimed, points, "lower", size=SIDE, whole_half=whole_half)
    shows = (Ia == RED).all(axis=-1) & dress
    waist = 120 + round(0.75 * 145)
    assert not shows[waist + 2 :].any()
    if known:
        assert shows[120 : waist - 6, 146:254].mean() > 0.95
    else:
        assert not shows.any()


@pytest.mark.parametrize("trousers", [True, False])
def test_trousers_leave_a_top_as_it_is(trousers: bool) -> None:
    """A long one above trousers, and a short one above bare legs."""
    image, labels, points = drawn()
    top = np.zeros((SIDE, SIDE), np.bool_)
    top[115 : 360 if trousers else 290, 140:260] = True
    if not trousers:
        labels[labels == label_of("pants_hip")] = label_of("right_leg")
    image[top], labels[top] = RED, label_of("inner_torso")
    Ia, _ = agnostic(image, labels, np.zeros_like(top), points, "lower", size=SIDE, whole_half=True)
    assert ((Ia == RED).all(axis=-1) & top).sum() > 0.95 * top.sum()


def test_a_top_over_a_dress_hides_all_of_the_dress() -> None:
    image, labels, points = drawn()
    image[115:360, 140:260], labels[115:360, 140:260] = RED, label_of("dress_torso")
    Ia, _ = agnostic(image, labels, labels == label_of("dress_torso"), points, "upper", size=SIDE)
    assert not (Ia[115:360, 140:260] == RED).all(axis=-1).any()

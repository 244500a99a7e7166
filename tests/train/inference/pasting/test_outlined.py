"""What is pasted where the person's outline is known: nothing of the room, nothing of the old garment."""

from __future__ import annotations

import numpy as np
import pytest
from trunk_pose import trunk_pose

from train.data.shards import Pixels
from train.inference.pasting.agreement import Comparison, Mask
from train.inference.pasting.outlined import Outline, compose

SIDE = 128
NEW = (200, 30, 60)
PALE = 238


@pytest.fixture
def street() -> Pixels:
    """A dark room of coloured squares."""
    squares = np.random.default_rng(0).integers(10, 120, (16, 16, 3), np.uint8)
    return squares.repeat(8, axis=0).repeat(8, axis=1)


@pytest.fixture
def hidden() -> Mask:
    box = np.zeros((SIDE, SIDE), np.bool_)
    box[16:100, 16:112] = True
    return box


def person(rows: slice = slice(24, 92), columns: slice = slice(40, 88)) -> Outline:
    """Where the old garment is; its colour in the photographs is 130."""
    worn = np.zeros((SIDE, SIDE), np.bool_)
    worn[rows, columns] = True
    return Outline(worn, np.zeros_like(worn))


def dressed(street: Pixels, hidden: Mask, garment: tuple[slice, slice], soft: int = 0) -> Pixels:
    """The network's image: a pale room in the box, and the new garment with an edge that is this soft."""
    image = street.copy()
    image[hidden] = PALE
    for step in range(soft, -1, -1):
        rows, columns = (slice(edge.start - step, edge.stop + step) for edge in garment)
        share = 1 - step / (soft + 1)
        image[rows, columns] = np.rint(PALE + share * (np.array(NEW) - PALE)).astype(np.uint8)
    return image


def pasted(photograph: Pixels, result: Pixels, hidden: Mask, found: Comparison) -> Pixels:
    lifted = result + (0 if found.lift is None else found.lift)
    new = lifted + found.room[..., None] * (found.continued - lifted)
    mixed = photograph + found.weight[..., None] * (np.clip(new, 0, 255) - photograph)
    return np.asarray(np.where(hidden[..., None], np.rint(mixed), photograph), np.uint8)


def worn_by(street: Pixels, outline: Outline) -> Pixels:
    photograph = street.copy()
    photograph[outline.person] = 130
    return photograph


def test_the_room_stays_to_the_byte_whatever_the_network_paints(street: Pixels, hidden: Mask) -> None:
    outline = person()
    photograph = worn_by(street, outline)
    result = dressed(street, hidden, (slice(28, 90), slice(44, 84)), soft=4)
    image = pasted(photograph, result, hidden, compose(photograph, result, hidden, outline, trunk_pose()))
    for side in ((slice(16, 100), slice(16, 34)), (slice(16, 100), slice(94, 112)), (slice(16, 19), slice(16, 112))):
        np.testing.assert_array_equal(image[side], photograph[side])


def test_nothing_of_the_old_garment_stays(street: Pixels, hidden: Mask) -> None:
    """It was wider than the new one, and its label is a cell too small."""
    outline = person()
    photograph = worn_by(street, person(slice(23, 93), slice(39, 89)))
    photograph[photograph == 130] = 255
    result = dressed(street, hidden, (slice(28, 90), slice(45, 83)))
    image = pasted(photograph, result, hidden, compose(photograph, result, hidden, outline, trunk_pose()))
    assert image[hidden][:, 1].max() < 200  # neither 255 nor the pale room
    assert np.abs(image[40:70, 60:68].astype(int) - NEW).max() < 8


def test_a_soft_edge_leaves_no_pale_halo(street: Pixels, hidden: Mask) -> None:
    outline = person()
    photograph = worn_by(street, outline)
    result = dressed(street, hidden, (slice(30, 86), slice(48, 80)), soft=8)
    found = compose(photograph, result, hidden, outline, trunk_pose())
    beside = pasted(photograph, result, hidden, found)[40:70, 34:48]
    assert result[40:70, 34:48, 1].max() == PALE
    assert beside[..., 1].max() < 140


def test_a_garment_wider_than_the_old_one_is_pasted_whole(street: Pixels, hidden: Mask) -> None:
    outline = person(columns=slice(54, 74))
    photograph = worn_by(street, outline)
    result = dressed(street, hidden, (slice(28, 90), slice(30, 98)))
    image = pasted(photograph, result, hidden, compose(photograph, result, hidden, outline, trunk_pose()))
    assert np.abs(image[36:80, 36:92].astype(int) - NEW).max() < 8


def test_a_smear_apart_from_the_garment_is_not_pasted(street: Pixels, hidden: Mask) -> None:
    outline = person()
    photograph = worn_by(street, outline)
    result = dressed(street, hidden, (slice(28, 90), slice(44, 84)))
    result[24:40, 100:110] = 20
    image = pasted(photograph, result, hidden, compose(photograph, result, hidden, outline, trunk_pose()))
    np.testing.assert_array_equal(image[22:44, 97:112], photograph[22:44, 97:112])


def test_a_garment_of_the_rooms_colour_is_pasted_on_the_body(street: Pixels, hidden: Mask) -> None:
    outline = person()
    photograph = worn_by(street, outline)
    result = dressed(street, hidden, (slice(28, 90), slice(44, 84)))
    result[result[..., 1] == NEW[1]] = PALE - 4
    image = pasted(photograph, result, hidden, compose(photograph, result, hidden, outline, trunk_pose()))
    assert np.abs(image[34:68, 54:74].astype(int) - result[34:68, 54:74]).max() < 8


def test_without_a_room_to_be_seen_the_old_outline_is_filled(street: Pixels) -> None:
    """The box ends at the person, as beside a photograph's edge."""
    outline = person()
    photograph = worn_by(street, outline)
    result = dressed(street, outline.person, (slice(24, 92), slice(40, 88)))
    found = compose(photograph, result, outline.person, outline, trunk_pose())
    assert (found.weight[outline.person] == 1).all()
    assert (found.room[30:86, 46:82] < 0.01).all()


def test_bare_arms_stay_and_what_is_painted_over_them_goes(street: Pixels, hidden: Mask) -> None:
    outline = person(columns=slice(40, 104))
    outline.bare[40:92, 92:102] = True
    photograph = worn_by(street, outline)
    photograph[outline.bare] = (180, 140, 120)
    result = dressed(street, hidden, (slice(28, 90), slice(44, 104)))
    image = pasted(photograph, result, hidden, compose(photograph, result, hidden, outline, trunk_pose()))
    np.testing.assert_array_equal(image[46:86, 97:101], photograph[46:86, 97:101])

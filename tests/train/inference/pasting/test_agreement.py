"""Which hidden cells stay the photograph's: the room around the person, never the body."""

from __future__ import annotations

import numpy as np
from trunk_pose import trunk_pose

from schemas import Keypoint
from train.inference.pasting.agreement import compare

SIDE = 128


def scene(garment: int) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], ...]:
    """A grey room, a garment on the trunk, and the box around it hidden."""
    image = np.full((SIDE, SIDE, 3), 180, np.uint8)
    image[28:76, 45:83] = garment
    hidden = np.zeros((SIDE, SIDE), np.bool_)
    hidden[16:100, 24:104] = True
    return image, hidden.view(np.uint8)


def tiles(darkest: int, brightest: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A room of coloured squares."""
    squares = np.random.default_rng(0).integers(darkest, brightest, (16, 16, 3), np.uint8)
    return squares.repeat(8, axis=0).repeat(8, axis=1)


def test_the_room_stays_and_the_garment_goes() -> None:
    photograph, hidden = scene(40)
    result, _ = scene(90)
    weight = compare(photograph, result, hidden.astype(bool), trunk_pose()).weight
    assert (weight[20:98, 26:36] == 0).all()
    assert (weight[30:74, 47:81] == 1).all()


def test_nothing_agrees_on_the_body_however_like() -> None:
    photograph, hidden = scene(40)
    weight = compare(photograph, photograph, hidden.astype(bool), trunk_pose()).weight
    assert (weight[34:70, 55:73] == 1).all()
    assert weight[20, 30] == 0


def test_without_a_pose_what_is_like_stays() -> None:
    photograph, hidden = scene(40)
    assert (compare(photograph, photograph, hidden.astype(bool), None).weight == 0)[hidden.astype(bool)].all()


def test_a_smear_away_from_the_body_is_not_pasted_and_a_wide_garment_is() -> None:
    photograph, hidden = scene(40)
    smeared, wide = photograph.copy(), photograph.copy()
    smeared[84:92, 88:96] = 20
    wide[28:98, 40:102] = 20
    assert (compare(photograph, smeared, hidden.astype(bool), trunk_pose()).weight[82:94, 86:98] == 0).all()
    assert (compare(photograph, wide, hidden.astype(bool), trunk_pose()).weight[86:96, 90:100] == 1).all()


def test_what_is_shown_of_the_body_is_not_taken_off() -> None:
    """Trousers that Ia shows: beside them the room stays up to their edge."""
    photograph, hidden = scene(40)
    legs = trunk_pose()
    for joint, x in ((Keypoint.LEFT_KNEE, 0.55), (Keypoint.RIGHT_KNEE, 0.45)):
        legs[joint] = (x, 0.95, 1)
    photograph[76:, 50:78] = 60
    shown = hidden.astype(bool)
    shown[76:, 50:78] = False
    assert (compare(photograph, photograph, shown, legs).weight[92:98, 81:90] == 0).all()


def test_a_room_that_the_network_cannot_know_stays_and_a_wide_old_garment_does_not() -> None:
    """Stripes and boxes in the room; the result shows a plain wall there, and a slim garment in place of a wide one."""
    photograph, hidden = scene(40)
    room = tiles(90, 255)
    photograph = np.where((photograph == 180), room, np.uint8(40))
    photograph[60:90, 28:100] = 40
    result = np.where(hidden[..., None] > 0, np.uint8(172), photograph)
    result[28:76, 48:80] = (200, 30, 60)
    weight = compare(photograph, result, hidden.astype(bool), trunk_pose()).weight
    assert (weight[18:40, 26:32] == 0).mean() > 0.9
    assert (weight[18:40, 96:102] == 0).mean() > 0.9
    assert (weight[64:86, 34:94] == 1).mean() > 0.95


def test_a_wide_seam_at_the_boxs_edge_is_no_outline() -> None:
    """Coarse stages mix the shown room with their own along the box; a frame of that would be seen."""
    photograph, hidden = scene(40)
    room = tiles(20, 90)
    photograph = np.where((photograph == 180), room, np.uint8(200))
    result = photograph.copy()
    for inset in range(5):  # of 128 cells: at 256, two pixels of the coarsest stage
        share = (inset + 1) / 5
        inside = (slice(16 + inset, 100 - inset), slice(24 + inset, 104 - inset))
        result[inside] = np.rint(photograph[inside] * (1 - share) + 235 * share).astype(np.uint8)
    result[28:76, 45:83] = (200, 30, 60)
    weight = compare(photograph, result, hidden.astype(bool), trunk_pose()).weight
    assert (weight[16:100, 24:30] == 0).mean() > 0.95
    assert (weight[16:19, 24:104] == 0).mean() > 0.95
    assert (weight[32:72, 48:80] == 1).mean() > 0.95


def test_another_room_is_replaced_by_the_photographs_where_the_old_garment_was() -> None:
    """The street is dark, the network's room pale: beside the new, slim garment the street is continued."""
    photograph, hidden = scene(130)
    photograph = np.where(photograph == 180, np.uint8(50), photograph)
    photograph[60:90, 28:100] = 130
    result = np.where(hidden[..., None] > 0, np.uint8(235), photograph)
    result[28:76, 48:80] = (200, 30, 60)
    weight, room, continued, _ = compare(photograph, result, hidden.astype(bool), trunk_pose())
    beside = (slice(66, 72), slice(36, 39))
    assert (weight[beside] == 1).all()
    assert (room[beside] > 0.9).all()
    assert np.abs(continued[beside] - 50).max() < 20
    assert (room[34:70, 54:74] < 0.1).all()


def test_a_room_like_the_photographs_is_left_as_the_network_paints_it() -> None:
    photograph, hidden = scene(40)
    result, _ = scene(90)
    assert not compare(photograph, result, hidden.astype(bool), trunk_pose()).room.any()
    assert not compare(photograph, result, hidden.astype(bool), None).room.any()

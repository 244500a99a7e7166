"""Persons, garments and poses are functions of their seeds and differ between seeds."""

from __future__ import annotations

import pytest

from preprocess.synthetic.drawing.palette import distance
from preprocess.synthetic.garments.garment import HEMS, KINDS, Kind, garment
from preprocess.synthetic.people.person import HAIR_STYLES, person
from preprocess.synthetic.people.pose import ARM_HOLDS, pose, view_point


def test_same_seed_same_person_and_pose() -> None:
    assert person(5) == person(5)
    assert pose(5) == pose(5)
    assert person(5) != person(6)
    assert pose(5) != pose(6)


def test_people_are_varied() -> None:
    people = [person(seed) for seed in range(200)]
    assert {one.style for one in people} == set(HAIR_STYLES)
    assert len({one.skin for one in people}) >= 6
    assert len({one.hair for one in people}) >= 6


def test_poses_are_varied() -> None:
    poses = [pose(seed) for seed in range(200)]
    assert {one.left.hold for one in poses} == set(ARM_HOLDS)
    assert {one.right.hold for one in poses} == set(ARM_HOLDS)


@pytest.mark.parametrize("kind", KINDS)
def test_garment_of_a_kind(kind: Kind) -> None:
    clothes = [garment(seed, kind) for seed in range(60)]
    assert garment(7, kind) == clothes[7]
    assert len(set(clothes)) == 60
    for one in clothes:
        assert one.kind == kind
        assert any(low <= one.hem <= high for low, high in HEMS[kind])
        assert (one.print != "none") <= (kind in ("top", "dress"))
        assert (one.sleeve != "none") <= one.has_torso


@pytest.mark.parametrize("kind", KINDS)
def test_second_colour_and_ink_stand_out(kind: Kind) -> None:
    for seed in range(60):
        one = garment(seed, kind)
        assert distance(one.base, one.second) >= 300.0
        assert distance(one.base, one.ink) >= 200.0


@pytest.mark.parametrize(
    ("yaw", "view"), [(0.0, 0), (47.0, 0), (-47.0, 0), (90.0, -1), (-90.0, -1), (168.0, 1), (190.0, 1), (360.0, 0)]
)
def test_view_point(yaw: float, view: int) -> None:
    assert view_point(yaw) == view

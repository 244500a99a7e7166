"""Regions from masks and pose: with the true masks and the true pose of drawn people, so that only the rules err."""

from __future__ import annotations

import numpy as np
import pytest

from preprocess.annotation.estimators.protocols import LOWER, NONE, UPPER, WHOLE
from preprocess.annotation.labels.body_regions import body_regions
from preprocess.conditioning.regions import ARMS, HEAD, LEGS, SHOES
from preprocess.conditioning.regions import LOWER as LOWER_NAMES
from preprocess.conditioning.regions import UPPER as UPPER_NAMES
from preprocess.formats.images import Mask
from preprocess.synthetic.drawing.annotated import BACKGROUND, MODEL_REGIONS, Drawing, region
from preprocess.synthetic.drawing.canvas import U8
from preprocess.synthetic.outfits import Look, make_plan
from preprocess.synthetic.people.look import draw_look
from preprocess.synthetic.people.person import person
from preprocess.synthetic.people.pose import frame_yaw, pose
from schemas import Keypoint

LIKENESS = {"head": (HEAD, 0.85), "arms": (ARMS, 0.82), "legs": (LEGS, 0.85), "shoes": (SHOES, 0.78)}
"""Group → its regions, and the mean intersection over union that the rules reach at least."""


def drawn(looks: int) -> list[Drawing]:
    plan = make_plan(looks, seed=3)

    def front(look: Look) -> Drawing:
        stance = pose(look.pose)
        outfit = tuple(plan.items[item].garment() for item in look.items)
        return draw_look(person(look.person), stance, frame_yaw(stance, "000"), outfit)

    return [front(look) for look in plan.looks]


def pixels(labels: U8, names: frozenset[str]) -> Mask:
    drawn_ones = [name for name in names if name in MODEL_REGIONS and not name.startswith("dress")]
    return np.isin(labels, [region(name) for name in drawn_ones])


def estimated(drawing: Drawing) -> U8:
    clothes = np.full(drawing.labels.shape, NONE, np.uint8)
    clothes[pixels(drawing.labels, UPPER_NAMES)] = UPPER
    clothes[pixels(drawing.labels, LOWER_NAMES)] = LOWER
    return body_regions(drawing.image, drawing.labels != BACKGROUND, clothes, drawing.keypoints)


@pytest.fixture(scope="module")
def people() -> list[tuple[Drawing, U8]]:
    return [(drawing, estimated(drawing)) for drawing in drawn(8)]


@pytest.mark.parametrize("group", LIKENESS)
def test_bare_skin_is_divided_by_the_nearest_bone(people: list[tuple[Drawing, U8]], group: str) -> None:
    names, least = LIKENESS[group]
    found = []
    for drawing, labels in people:
        true, mine = pixels(drawing.labels, names), pixels(labels, names)
        if true.sum() > 50:
            found.append(float((true & mine).sum() / (true | mine).sum()))
    assert np.mean(found) > least, found


def test_the_garments_are_the_masks(people: list[tuple[Drawing, U8]]) -> None:
    for drawing, labels in people:
        true, mine = pixels(drawing.labels, UPPER_NAMES), pixels(labels, UPPER_NAMES)
        assert (true & mine).sum() > 0.99 * true.sum()


def test_left_and_right_arms_are_the_persons_own(people: list[tuple[Drawing, U8]]) -> None:
    for drawing, labels in people:
        right = labels == region("right_arm")
        assert (drawing.labels[right] == region("left_arm")).mean() < 0.1


def test_pixels_far_from_all_bones_have_no_region(people: list[tuple[Drawing, U8]]) -> None:
    drawing = people[0][0]
    person = drawing.labels != BACKGROUND
    person[600:700, 20:120] = True  # a bag
    labels = body_regions(drawing.image, person, np.zeros_like(drawing.labels), drawing.keypoints)
    assert (labels[600:700, 20:120] == BACKGROUND).all()


def test_shoulders_and_hips_are_needed(people: list[tuple[Drawing, U8]]) -> None:
    drawing = people[0][0]
    joints = drawing.keypoints.copy()
    joints[11] = 0
    with pytest.raises(ValueError, match="hips"):
        body_regions(drawing.image, drawing.labels != BACKGROUND, np.zeros_like(drawing.labels), joints)


def test_the_skirt_of_a_dress_is_no_sleeve(people: list[tuple[Drawing, U8]]) -> None:
    """Whatever is far below the hips is nearer to the arms than to the torso, and still belongs to it."""
    drawing, _ = people[0]
    dress = np.isin(drawing.labels, [region(name) for name in LOWER_NAMES | UPPER_NAMES if name in MODEL_REGIONS])
    clothes = np.where(dress, WHOLE, NONE).astype(np.uint8)
    labels = body_regions(drawing.image, drawing.labels != BACKGROUND, clothes, drawing.keypoints)
    below = dress.copy()
    below[: int(drawing.keypoints[[Keypoint.LEFT_KNEE, Keypoint.RIGHT_KNEE], 1].mean())] = False
    assert below.sum() > 100
    assert (labels[below] == region("inner_torso")).mean() > 0.95

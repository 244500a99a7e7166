"""Clothes from outline, joints and colours: of drawn people, whose garments are known, and of flat figures."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from preprocess.annotation.estimators.protocols import LOWER, NONE, UPPER, WHOLE, BodyPose
from preprocess.annotation.labels.outlined_clothes import outlined_clothes
from preprocess.annotation.labels.person_labels import estimate_person
from preprocess.conditioning.agnostic import ESTIMATED_MARGIN, shown
from preprocess.conditioning.regions import HEAD, WORN, label_of
from preprocess.faults import RecordError
from preprocess.formats.images import Mask, Pixels
from preprocess.synthetic.drawing.annotated import BACKGROUND, MODEL_REGIONS, Drawing, region
from preprocess.synthetic.drawing.canvas import U8
from preprocess.synthetic.outfits import Look, make_plan
from preprocess.synthetic.people.look import draw_look
from preprocess.synthetic.people.person import person
from preprocess.synthetic.people.pose import frame_yaw, pose
from schemas import Garment

from .conftest import JOINTS, SKIN, TOP
from .conftest import person as flat_person

LOOKS = 4


class TrueOutline:
    """`Outliner` that knows which pixels show the person."""

    def __init__(self, mask: Mask) -> None:
        self.mask = mask

    def outline(self, image: Pixels) -> NDArray[np.float32]:
        assert image.shape[:2] == self.mask.shape, "the whole image is looked at where the person fills it"
        return self.mask.astype(np.float32)


class Estimated(NamedTuple):
    """A drawn person and what was made of them."""

    drawing: Drawing
    labels: U8
    notes: tuple[str, ...]


def estimate(drawing: Drawing) -> Estimated:
    mask = drawing.labels != BACKGROUND
    joints = drawing.keypoints.copy()
    joints[:, 2] = np.where(joints[:, 2] > 1, 0.9, np.where(joints[:, 2] > 0, 0.5, 0.0))
    height, width = mask.shape
    whole = BodyPose((0.0, 0.0, float(width), float(height)), 0.95, joints)
    found = estimate_person(drawing.image, [whole], TrueOutline(mask), least=0.5, strict=False, name="drawn")
    return Estimated(drawing, found.drawing.labels, found.notes)


@pytest.fixture(scope="module")
def people() -> list[Estimated]:
    plan = make_plan(LOOKS, seed=5)

    def front(look: Look) -> Drawing:
        stance = pose(look.pose)
        outfit = tuple(plan.items[item].garment() for item in look.items)
        return draw_look(person(look.person), stance, frame_yaw(stance, "000"), outfit)

    return [estimate(front(look)) for look in plan.looks]


def mask_of(labels: U8, names: frozenset[str]) -> Mask:
    return np.isin(labels, [MODEL_REGIONS.index(name) for name in names if name in MODEL_REGIONS])


def kept(found: Estimated, garment: Garment) -> Mask:
    """Return the pixels of the person that Ia shows as they were photographed."""
    table = np.zeros(256, np.uint8)
    for number, name in enumerate(MODEL_REGIONS):
        table[number] = label_of(name)
    labels = np.asarray(cv2.LUT(found.labels, table), np.uint8)
    points = found.drawing.keypoints.copy()
    points[:, 2] = np.minimum(points[:, 2] / 2, 1)
    claimed = mask_of(found.labels, WORN[garment])
    side = max(labels.shape)
    seen = shown(found.drawing.image, labels, claimed, points, garment, side, margin=ESTIMATED_MARGIN)
    return seen.kept & ~seen.repainted


def test_no_cloth_of_the_upper_garment_is_shown(people: list[Estimated]) -> None:
    left, worn = [], []
    for found in people:
        true = mask_of(found.drawing.labels, WORN["upper"])
        left.append(int((kept(found, "upper") & true).sum()))
        worn.append(int(true.sum()))

    assert sum(left) < 0.01 * sum(worn), left


def test_no_cloth_of_the_lower_garment_is_shown(people: list[Estimated]) -> None:
    left, worn = [], []
    for found in people:
        true = mask_of(found.drawing.labels, WORN["lower"])
        if not any("dress" in note for note in found.notes):
            left.append(int((kept(found, "lower") & true).sum()))
            worn.append(int(true.sum()))

    assert sum(left) < 0.03 * sum(worn), left


def test_face_and_hair_stay(people: list[Estimated]) -> None:
    for found in people:
        shown_head = kept(found, "upper")
        face = found.drawing.labels == region("face")
        hair = mask_of(found.drawing.labels, HEAD)
        print("face", face[~shown_head].sum(), face.sum(), "hair", hair[~shown_head].sum(), hair.sum())
        assert (face & ~shown_head).sum() <= 0.02 * face.sum()


def flat(*changes: tuple[tuple[int, int, int, int], tuple[int, int, int]]) -> Pixels:
    """Return the figure in flat colours with boxes (left, top, right, bottom) painted over."""
    image = flat_person()
    for (left, top, right, bottom), colour in changes:
        image[top:bottom, left:right] = colour
    return image


def flat_clothes(image: Pixels) -> tuple[U8, float, tuple[str, ...], Mask]:
    outline = (image != image[0, 0]).any(axis=2)
    joints = np.hstack([np.array(JOINTS, np.float64), np.full((17, 1), 2.0)])
    found = outlined_clothes(image, outline, joints)
    return found.labels, found.confidence, found.notes, found.doubtful


def test_the_edge_is_where_the_colour_changes() -> None:
    labels, sure, notes, doubtful = flat_clothes(flat_person())
    assert sure >= 0.75
    assert not notes
    assert (labels[250:405, 150:250] == UPPER).all()
    assert (labels[440:680, 150:185] == LOWER).all()
    assert doubtful[420, 200]
    hands = labels[400:450, 100:125]
    assert (hands == NONE).mean() > 0.9, "a bare hand is neither garment"


def test_a_long_coat_ends_where_its_colour_does() -> None:
    labels, sure, _, _ = flat_clothes(flat(((140, 205, 260, 540), TOP)))
    assert sure >= 0.75
    assert (labels[440:525, 150:250] == UPPER).mean() > 0.98
    assert (labels[570:670, 150:185] == LOWER).all()


def test_two_legs_of_the_top_s_colour_hide_the_hips() -> None:
    legs = [((145, 420, 255, 500), TOP), ((145, 500, 190, 700), TOP), ((210, 500, 255, 700), TOP)]
    labels, sure, notes, doubtful = flat_clothes(flat(*legs))
    assert sure < 0.75
    assert "both are hidden" in notes[0]
    assert doubtful[350:440, 160:240].all()
    assert (labels[300:320, 160:240] == UPPER).all()
    assert (labels[500:680, 150:185] == LOWER).all()


def test_one_colour_without_legs_is_a_dress() -> None:
    legs = [((145, 640, 190, 700), SKIN), ((210, 640, 255, 700), SKIN)]
    labels, sure, notes, doubtful = flat_clothes(flat(*legs, ((140, 205, 260, 640), TOP)))
    assert sure < 0.75
    assert "dress" in notes[0]
    assert not doubtful.any()
    assert (labels[250:620, 150:250] == WHOLE).all()


def test_bare_legs_below_a_dress_are_no_garment() -> None:
    skirt = ((140, 205, 260, 540), TOP)
    legs = [((145, 540, 190, 700), SKIN), ((210, 540, 255, 700), SKIN)]
    labels, _, notes, _ = flat_clothes(flat(*legs, skirt))
    assert "dress" in notes[0]
    assert (labels[560:680, 150:185] == NONE).mean() > 0.9


def test_trousers_of_the_colour_of_skin_are_cloth() -> None:
    """Half of their pixels are like the face, as in folds of beige cotton."""
    image = flat(((145, 420, 255, 500), SKIN), ((145, 500, 190, 700), SKIN), ((210, 500, 255, 700), SKIN))
    image[420:700:2, 145:256][(image[420:700:2, 145:256] == SKIN).all(axis=2)] = (205, 200, 190)
    image[421:700:4, 145:256][(image[421:700:4, 145:256] == SKIN).all(axis=2)] = (150, 140, 120)
    labels, _, _, _ = flat_clothes(image)
    assert (labels[560:680, 150:185] == LOWER).mean() > 0.9


def test_without_a_face_nothing_is_skin_and_the_photograph_is_doubtful() -> None:
    outline = (flat_person() != flat_person()[0, 0]).any(axis=2)
    joints = np.hstack([np.array(JOINTS, np.float64), np.full((17, 1), 2.0)])
    joints[:5] = 0
    found = outlined_clothes(flat_person(), outline, joints)
    assert found.confidence < 0.6
    assert "no face" in found.notes[-1]
    assert (found.labels[320:390, 100:125] == UPPER).all(), "bare arms count as sleeves, and are hidden"


def test_light_and_shadow_do_not_change_what_is_skin() -> None:
    lit, (in_shadow, _, _, _) = flat_clothes(flat_person())[0], flat_clothes(shaded(flat_person()))
    assert (in_shadow == lit).mean() > 0.99


def shaded(image: Pixels) -> Pixels:
    """Return the image with everything below the hips in a shadow that takes two thirds of the light."""
    linear = (image.astype(np.float32) / 255) ** 2.2
    linear[430:] /= 3
    ground = (image == image[0, 0]).all(axis=2)
    result = ((linear ** (1 / 2.2)) * 255).round().astype(np.uint8)
    result[ground] = image[ground]
    return result


def test_a_person_who_reaches_beyond_the_joints_is_looked_at_whole() -> None:
    image = flat_person()
    outline = (image != image[0, 0]).any(axis=2)

    sizes: list[tuple[int, ...]] = []

    class ByColour:
        def outline(self, part: Pixels) -> NDArray[np.float32]:
            sizes.append(part.shape[:2])
            return np.asarray((part != image[0, 0]).any(axis=2), np.float32)

    joints = np.hstack([np.array(JOINTS, np.float64), np.full((17, 1), 0.9)])
    joints[13:] = 0  # knees and ankles were not found
    found = estimate_person(
        image, [BodyPose((95.0, 60.0, 305.0, 470.0), 0.9, joints)], ByColour(), least=0.5, strict=False, name="flat"
    )
    assert len(sizes) == 2
    assert sizes[1] == outline.shape
    assert (found.drawing.labels[650, 150:185] != BACKGROUND).all()


def test_what_lies_beyond_the_body_makes_the_outline_doubtful() -> None:
    wide = np.full((800, 800, 3), flat_person()[0, 0], np.uint8)
    wide[:, :400] = flat_person()
    wide[300:730, 300:780] = (20, 20, 20)  # a shadow on the wall
    outline = (wide != wide[0, 0]).any(axis=2)
    joints = np.hstack([np.array(JOINTS, np.float64), np.full((17, 1), 0.9)])
    whole = BodyPose((0.0, 0.0, 800.0, 800.0), 0.9, joints)
    with pytest.raises(RecordError, match="unsure-person"):
        estimate_person(wide, [whole], TrueOutline(outline), least=0.5, strict=False, name="flat")

"""People in garments: labels, keypoints and what of a garment is seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from preprocess.synthetic.drawing.annotated import BACKGROUND, Drawing, region
from preprocess.synthetic.garments.garment import Kind, garment
from preprocess.synthetic.output import DrawnDataError
from preprocess.synthetic.people.look import draw_look
from preprocess.synthetic.people.person import person
from preprocess.synthetic.people.pose import Arm, Pose, pose

HANGING = Arm("hanging", 0.16, 0.0, 0.1, 0.15)
ACROSS = Arm("across", 0.16, 0.1, 0.0, 0.0)


def _calm(seed: int = 1) -> Pose:
    return replace(pose(seed), left=HANGING, right=HANGING, lean=0.0)


def _area(drawing: Drawing, name: str) -> int:
    return int((drawing.labels == region(name)).sum())


def _draw(yaw: float, *kinds: Kind, seed: int = 4) -> Drawing:
    return draw_look(person(seed), _calm(), yaw, [garment(seed, kind) for kind in kinds])


def test_shapes_and_determinism() -> None:
    one, other = (_draw(0.0, "top", "trousers") for _ in range(2))
    assert one.image.shape == (1280, 720, 3)
    assert one.image.dtype == np.uint8
    assert one.labels.shape == (1280, 720)
    assert one.keypoints.shape == (17, 3)
    np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(one.labels, other.labels)


@pytest.mark.parametrize("seed", range(6))
def test_person_fills_the_usual_part_of_the_frame(seed: int) -> None:
    drawing = draw_look(person(seed), _calm(seed), 0.0, [garment(seed, "top"), garment(seed, "trousers")])
    rows, columns = np.nonzero(drawing.labels != BACKGROUND)
    assert 0.58 < np.ptp(rows) / 1280 < 0.75
    assert 0.2 < np.ptp(columns) / 720 < 0.45
    assert rows.min() > 20
    assert rows.max() < 1260


@pytest.mark.parametrize("yaw", [0.0, 40.0, 90.0, 168.0])
@pytest.mark.parametrize("seed", range(5))
def test_visible_joints_lie_on_the_body(seed: int, yaw: float) -> None:
    drawing = draw_look(person(seed), pose(seed), yaw, [garment(seed, "top"), garment(seed, "shorts")])
    for x, y, visible in drawing.keypoints:
        if visible == 2:
            assert drawing.labels[round(y), round(x)] != BACKGROUND
        assert (visible > 0) == bool(x > 0 and y > 0)


@pytest.mark.parametrize("kind", ["top", "dress"])
def test_bare_joints_lie_in_their_own_limb(kind: Kind) -> None:
    bare = replace(garment(2, kind), sleeve="none")
    outfit = [bare] if kind == "dress" else [bare, garment(2, "shorts")]
    drawing = draw_look(person(2), _calm(), 0.0, outfit)
    limbs = {7: "left_arm", 8: "right_arm", 9: "left_arm", 10: "right_arm", 15: "left_leg", 16: "right_leg", 0: "face"}
    for slot, name in limbs.items():
        x, y, visible = drawing.keypoints[slot]
        assert visible == 2
        assert drawing.labels[round(y), round(x)] == region(name)


def test_left_is_the_wearers() -> None:
    front, back = _draw(0.0, "top", "trousers"), _draw(180.0, "top", "trousers")
    assert front.keypoints[5, 0] > front.keypoints[6, 0]
    assert back.keypoints[5, 0] < back.keypoints[6, 0]
    assert (front.view_point, back.view_point) == (0, 1)


def test_face_is_not_visible_from_behind() -> None:
    back = _draw(175.0, "top", "trousers")
    assert not back.keypoints[:3].any()
    assert _area(back, "face") < 0.1 * _area(_draw(0.0, "top", "trousers"), "face")


def test_arm_across_the_chest_hides_the_torso_only_in_front() -> None:
    outfit = [replace(garment(4, "top"), sleeve="none"), garment(4, "trousers")]
    crossed = replace(_calm(), left=ACROSS)
    at = draw_look(person(4), crossed, 0.0, outfit)
    behind = draw_look(person(4), crossed, 180.0, outfit)
    x, y, visible = at.keypoints[9]
    assert visible == 2
    assert at.labels[round(y), round(x)] == region("left_arm")
    assert behind.keypoints[9, 2] == 1


@pytest.mark.parametrize(
    ("kinds", "present", "absent"),
    [
        (("top", "trousers"), ("inner_torso", "pants_rsleeve", "pants_lsleeve"), ("outer_torso", "skirt", "left_leg")),
        (("top", "skirt"), ("inner_torso", "skirt", "left_leg", "right_leg"), ("pants_hip", "outer_torso")),
        (("dress",), ("inner_torso", "left_leg"), ("skirt", "pants_hip", "outer_torso")),
        (("outer", "top", "skirt"), ("outer_torso", "outer_rsleeve", "inner_torso"), ("inner_rsleeve",)),
    ],
    ids=["trousers", "skirt", "dress", "outer"],
)
def test_regions_of_an_outfit(kinds: tuple[Kind, ...], present: tuple[str, ...], absent: tuple[str, ...]) -> None:
    drawing = _draw(0.0, *kinds)
    for name in (*present, "hair", "face", "right_shoe", "left_shoe"):
        assert _area(drawing, name) > 100, name
    for name in absent:
        assert _area(drawing, name) == 0, name


@pytest.mark.parametrize("kinds", [("top",), ("dress", "skirt"), ("top", "top", "skirt"), ("top", "dress"), ()])
def test_incomplete_outfits_are_refused(kinds: tuple[Kind, ...]) -> None:
    with pytest.raises(DrawnDataError, match="give one dress, or one top and one lower garment"):
        _draw(0.0, *kinds)

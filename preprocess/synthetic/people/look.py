"""A person in an outfit: any person, any garments, any pose, any turn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from preprocess.synthetic.drawing.annotated import BACKGROUND, Drawing, region
from preprocess.synthetic.drawing.canvas import HEIGHT, WIDTH, Canvas, studio
from preprocess.synthetic.drawing.scene import Scene
from preprocess.synthetic.drawing.view import View
from preprocess.synthetic.garments.garment import Garment, Slot
from preprocess.synthetic.garments.worn import paint_hip, paint_skirt, paint_sleeve, paint_torso, paint_trouser_leg
from preprocess.synthetic.output import DrawnDataError
from preprocess.synthetic.people.body import paint_arm, paint_leg, paint_shoe, paint_trunk
from preprocess.synthetic.people.head import face_points, paint_hair, paint_hair_behind, paint_head
from preprocess.synthetic.people.person import Person
from preprocess.synthetic.people.pose import Pose, Wear, view_point
from preprocess.synthetic.people.skeleton import SIDES, Side, skeleton
from preprocess.synthetic.photography.backdrops import paint_backdrop
from preprocess.synthetic.photography.development import develop
from schemas import NUM_KEYPOINTS, Keypoint

STATURE: Final = 0.65 * HEIGHT
"""Height of the average person in the image, pixels."""
LOWEST_SKIN: Final = 0.452
"""A top ends at least there: above it the trunk is bare."""
FLOOR: Final = 1124.0
"""Row of the soles, pixels."""


@dataclass(frozen=True)
class Outfit:
    """Outfit of a person: a dress, or a top and a lower garment, with an optional outer layer."""

    torso: Garment
    """A top or a dress"""
    lower: Garment | None
    outer: Garment | None

    @staticmethod
    def of(garments: Sequence[Garment]) -> Outfit:
        """Sort garments into slots. Raise DrawnDataError unless they make an outfit."""
        slots: dict[Slot, Garment] = {garment.slot: garment for garment in garments}
        torso = slots.get("dress") or slots.get("upper")
        lower = slots.get("lower")
        complete = torso is not None and (torso.slot == "dress") == (lower is None)
        if len(slots) != len(garments) or not complete or ("dress" in slots and "upper" in slots):
            kinds = ", ".join(garment.kind for garment in garments) or "nothing"
            raise DrawnDataError(
                f"outfit of {kinds}: give one dress, or one top and one lower garment, and at most one outer"
            )
        assert torso is not None
        return Outfit(torso, lower, slots.get("outer"))


def look_view(person: Person, pose: Pose, yaw_degrees: float) -> View:
    """Return where a person stands in the image."""
    unit = STATURE * person.height
    x, y = WIDTH / 2 + pose.place[0], FLOOR + pose.place[1] - unit
    photo = pose.photograph
    if photo is None:
        return View(math.radians(yaw_degrees), unit, x, y, pose.lean)
    unit *= photo.zoom
    # A closer camera leaves out the feet rather than the head.
    top = min(max(FLOOR - unit, 0.06 * HEIGHT), 0.3 * HEIGHT)
    x, y = x + photo.offset[0], max(top + photo.offset[1], 0.035 * HEIGHT)
    return View(math.radians(yaw_degrees), unit, x, y, pose.lean, photo.light)


def draw_look(person: Person, pose: Pose, yaw_degrees: float, outfit: Sequence[Garment]) -> Drawing:
    """Draw a person in garments.

    yaw_degrees: 0 faces the camera, 90 the image's right edge, 180 shows the back; outfit: a dress, or a top and a
    lower garment, and at most one outer garment over it. Raise DrawnDataError for any other outfit.
    """
    worn = Outfit.of(outfit if pose.wear is None else [_worn(garment, pose.wear) for garment in outfit])
    view = look_view(person, pose, yaw_degrees)
    bones = skeleton(person, pose)
    floor = (view.x, view.y + 0.99 * view.unit, 0.16 * view.unit)
    photograph, frame = pose.photograph, round(yaw_degrees) % 360
    ground = studio(pose.studio, floor) if photograph is None else paint_backdrop(photograph, floor)
    salt = None if photograph is None else (pose.seed, frame)
    scene = Scene(Canvas(ground), view, bones, "model", salt)
    head = _head_scene(scene, pose)
    far = [side for side in SIDES if _is_behind(scene, side)]
    near = [side for side in scene.far_to_near(bones.arms) if side not in far]
    pockets = {side for side, arm in ((1, pose.left), (-1, pose.right)) if arm.hold == "pocket"}
    paint_hair_behind(head, person)
    for side in far:
        _paint_arm(scene, person, worn, side, side in pockets)
    _paint_lower(scene, person, worn)
    paint_trunk(scene, person)
    _paint_tops(scene, worn)
    if pose.wear is not None and pose.wear.tucked and worn.outer is None:
        _paint_waist(scene, worn)
    if math.cos(view.yaw) > -0.2:
        # Hair that falls on the chest lies over the garment, hands lie over the hair.
        paint_head(head, person)
        paint_hair(head, person)
    for side in near:
        _paint_arm(scene, person, worn, side, side in pockets)
    if math.cos(view.yaw) <= -0.2:
        paint_head(head, person)
        paint_hair(head, person)
    points = _keypoints(scene, head, person)
    if photograph is None:
        return Drawing(scene.canvas.pixels(), scene.canvas.labels, points, view_point(yaw_degrees))
    developed = develop(scene.canvas.image, scene.canvas.labels, points, photograph, frame)
    return replace(developed, view_point=view_point(yaw_degrees))


def _worn(garment: Garment, wear: Wear) -> Garment:
    """Return the garment as this person wears it: rolled sleeves, a hem that rides up, a top that is tucked in."""
    if garment.cut is None:
        return garment
    hem = garment.hem
    if garment.kind == "top":
        hem = LOWEST_SKIN if wear.tucked else max(hem + wear.hem, LOWEST_SKIN)
    cut = replace(garment.cut, sleeve_end=garment.cut.sleeve_end * wear.rolled)
    return replace(garment, hem=hem, cut=cut)


def _head_scene(scene: Scene, pose: Pose) -> Scene:
    """Return the scene in which the head is painted: turned away from the chest where the person looks aside."""
    if not pose.head_turn:
        return scene
    return replace(scene, view=replace(scene.view, yaw=scene.view.yaw + math.radians(pose.head_turn)))


def _is_behind(scene: Scene, side: Side) -> bool:
    arm = scene.bones.arms[side]
    wrist = scene.view.screen(arm.end)[2]
    return scene.depth(arm) < -0.035 * scene.view.unit or wrist < -0.06 * scene.view.unit


def _paint_lower(scene: Scene, person: Person, worn: Outfit) -> None:
    lower = worn.lower
    for side in scene.far_to_near(scene.bones.legs):
        paint_shoe(scene, person, side)
        if lower is None or lower.kind != "trousers" or lower.cut is not None:
            paint_leg(scene, person, side)
        if lower is not None and lower.kind != "skirt":
            label = scene.label("pants_lsleeve" if side == 1 else "pants_rsleeve")
            paint_trouser_leg(scene, lower, side, label)
    if lower is not None and lower.kind == "skirt":
        paint_skirt(scene, lower, scene.label("skirt"))
    elif lower is not None:
        paint_hip(scene, lower, scene.label("pants_hip"))


def _paint_waist(scene: Scene, worn: Outfit) -> None:
    """Paint trousers' or a skirt's upper part again, over a top that is tucked in."""
    lower = worn.lower
    if lower is None:
        return
    if lower.kind == "skirt":
        paint_skirt(scene, lower, scene.label("skirt"))
    else:
        paint_hip(scene, lower, scene.label("pants_hip"))


def _paint_tops(scene: Scene, worn: Outfit) -> None:
    paint_torso(scene, worn.torso, scene.label("inner_torso"))
    if worn.outer is not None:
        paint_torso(scene, worn.outer, scene.label("outer_torso"), shadow=0.5)


def _paint_arm(scene: Scene, person: Person, worn: Outfit, side: Side, pocket: bool) -> None:
    paint_arm(scene, person, side, shadow=0.3, hidden=pocket)
    hand = "l" if side == 1 else "r"
    if worn.outer is None:
        paint_sleeve(scene, worn.torso, side, scene.label(f"inner_{hand}sleeve"))
    else:
        paint_sleeve(scene, worn.outer, side, scene.label(f"outer_{hand}sleeve"))


def _keypoints(scene: Scene, head: Scene, person: Person) -> NDArray[np.float64]:
    """Return the 17 keypoints: those of an averted face are absent, hidden joints are occluded."""
    bones, points = scene.bones, np.zeros((NUM_KEYPOINTS, 3))
    for slot, point in zip(_FACE, face_points(person), strict=True):
        names = _FACE[slot]
        x, y, _ = head.view.screen(point)
        turn = math.atan2(point[0], point[2]) + head.view.yaw
        if math.cos(turn) > (-0.45 if slot in _EARS else -0.2):
            points[slot] = x, y, 2.0 if _shows(scene, x, y, names) else 1.0
    for side in SIDES:
        arm, leg = bones.arms[side], bones.legs[side]
        hand, other = ("l", "left") if side == 1 else ("r", "right")
        sleeve = {f"inner_{hand}sleeve", f"outer_{hand}sleeve", f"{other}_arm"}
        trunk = {"inner_torso", "outer_torso", "pants_hip", "skirt", "neck"}
        below = {f"pants_{hand}sleeve", "pants_hip", "skirt", f"{other}_leg", f"{other}_shoe", "inner_torso"}
        joints = (
            (Keypoint.LEFT_SHOULDER, arm.root, sleeve | trunk),
            (Keypoint.LEFT_ELBOW, arm.middle, sleeve),
            (Keypoint.LEFT_WRIST, arm.end, sleeve),
            (Keypoint.LEFT_HIP, leg.root, trunk | below),
            (Keypoint.LEFT_KNEE, leg.middle, below | {"outer_torso"}),
            (Keypoint.LEFT_ANKLE, leg.end, below),
        )
        for left, joint, visible in joints:
            x, y, _ = scene.view.screen(joint)
            points[left if side == 1 else left.mirrored] = x, y, 2.0 if _shows(scene, x, y, visible) else 1.0
    return points


_EARS: Final = (Keypoint.LEFT_EAR, Keypoint.RIGHT_EAR)
_FACE: Final = {
    Keypoint.NOSE: {"face"},
    Keypoint.LEFT_EYE: {"face"},
    Keypoint.RIGHT_EYE: {"face"},
    Keypoint.LEFT_EAR: {"face", "hair"},
    Keypoint.RIGHT_EAR: {"face", "hair"},
}
"""Joints of the face, as `face_points` gives them → the regions that show there."""


def _shows(scene: Scene, x: float, y: float, names: set[str]) -> bool:
    """Return whether a pixel shows one of the named regions."""
    row, column = min(max(round(y), 0), HEIGHT - 1), min(max(round(x), 0), WIDTH - 1)
    label = int(scene.canvas.labels[row, column])
    return label != BACKGROUND and label in {region(name) for name in names}

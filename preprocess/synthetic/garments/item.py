"""A garment's product image, front or back, without a visible wearer."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from preprocess.synthetic.drawing.annotated import Drawing
from preprocess.synthetic.drawing.canvas import HEIGHT, WIDTH, Canvas, as_colour, studio
from preprocess.synthetic.drawing.scene import Scene
from preprocess.synthetic.drawing.solids import Profile, edge, lathe
from preprocess.synthetic.drawing.view import Point, View
from preprocess.synthetic.garments.garment import Garment, ProductStyle
from preprocess.synthetic.garments.worn import (
    COLLAR,
    WAIST,
    hip_profile,
    leg_points,
    paint_hip,
    paint_inside,
    paint_skirt,
    paint_sleeve,
    paint_torso,
    paint_trouser_leg,
    skirt_profile,
    sleeve_length,
    torso_profile,
)
from preprocess.synthetic.people.person import Person
from preprocess.synthetic.people.pose import Arm, Pose
from preprocess.synthetic.people.skeleton import SIDES, Side, skeleton
from preprocess.synthetic.photography.backdrops import paint_backdrop
from preprocess.synthetic.photography.development import develop
from schemas import NUM_KEYPOINTS, Keypoint

MANNEQUIN: Final = Person(
    seed=0, height=1.0, shoulders=1.0, waist=1.0, hips=1.0, head=1.0, skin=(255, 255, 255), hair=(0, 0, 0),
    style="short", eyes=(0, 0, 0), lips=0.5, brows=0.5, jaw=1.0, shoes=(0, 0, 0),
)  # fmt: skip
"""The invisible wearer of product images."""
_ARM: Final = Arm("hanging", 0.36, 0.0, 0.26, 0.0)
LAID: Final = Pose(
    seed=0, left=_ARM, right=_ARM, lean=0.0, stance=(0.07, 0.07), knees=(0.0, 0.0), turn=0.0, place=(0.0, 0.0),
    studio=(247, 247, 247),
)  # fmt: skip
_SHOULDER, _ELBOW, _WRIST = Keypoint.LEFT_SHOULDER, Keypoint.LEFT_ELBOW, Keypoint.LEFT_WRIST
_HIP, _KNEE, _ANKLE = Keypoint.LEFT_HIP, Keypoint.LEFT_KNEE, Keypoint.LEFT_ANKLE
MIDDLE: Final = 640.0
"""Height of a garment's middle in the image, pixels."""


def item_view(garment: Garment, back: bool) -> View:
    """Return the view of a product image: centred, long garments scaled down."""
    top = COLLAR if garment.has_torso else WAIST
    length = garment.hem - top
    unit = min(1180.0, 640.0 / length)
    yaw, style = math.pi if back else 0.0, garment.product
    if style is None:
        return View(yaw, unit, WIDTH / 2, MIDDLE - unit * (top + length / 2))
    # Sleeves that are spread, and wide skirts, stay within the image.
    reach = 0.11 + sleeve_length(garment) * math.sin(min(style.spread + 0.1, 1.3)) + 0.05
    if garment.kind in ("skirt", "dress"):
        reach = max(reach, 0.12 + garment.flare * (garment.hem - 0.44))
    photo = style.photograph
    unit = min(unit * photo.zoom, 0.46 * WIDTH / reach)
    x = WIDTH / 2 + photo.offset[0] * (0.4 if reach * unit > 0.4 * WIDTH else 1.0)
    return View(yaw, unit, x, MIDDLE + photo.offset[1] - unit * (top + length / 2), light=photo.light)


def _laid(style: ProductStyle) -> Pose:
    arm = Arm("hanging", style.spread, 0.0, style.spread * 0.75 + style.forearm, 0.0)
    return replace(LAID, left=arm, right=arm, stance=(style.stance, style.stance))


def draw_item(garment: Garment, back: bool) -> Drawing:
    """Draw the product image of a garment, its back if ``back``."""
    view = item_view(garment, back)
    if garment.product is not None:
        return _draw_varied(garment, garment.product, view, back)
    ground = studio(LAID.studio, (WIDTH / 2, view.y + (garment.hem + 0.02) * view.unit, 0.10 * view.unit))
    scene = Scene(Canvas(ground), view, skeleton(MANNEQUIN, LAID), "item")
    if garment.has_torso:
        _paint_top(scene, garment, back)
    else:
        _paint_lower(scene, garment, back)
    return Drawing(scene.canvas.pixels(), scene.canvas.labels, _landmarks(scene, garment), int(back))


def _draw_varied(garment: Garment, style: ProductStyle, view: View, back: bool) -> Drawing:
    floor = (WIDTH / 2, view.y + (garment.hem + 0.02) * view.unit, 0.10 * view.unit)
    canvas = Canvas(paint_backdrop(style.photograph, floor))
    bones = skeleton(MANNEQUIN, _laid(style))
    scene = Scene(canvas, view, bones, "item", salt=(garment.seed, int(back)), folds=style.folds)
    (_paint_top if garment.has_torso else _paint_lower)(scene, garment, back)
    points = _landmarks(scene, garment)
    drawing = develop(canvas.image, canvas.labels, points, style.photograph, int(back))
    return replace(drawing, view_point=int(back))


def _paint_top(scene: Scene, garment: Garment, back: bool) -> None:
    if not back:
        paint_inside(scene, garment, scene.label("top_hidden"))
    paint_torso(scene, garment, scene.label("torso"))
    for side in SIDES:
        paint_sleeve(scene, garment, side, scene.label("lsleeve" if side == 1 else "rsleeve"))


def _paint_lower(scene: Scene, garment: Garment, back: bool) -> None:
    skirt = garment.kind == "skirt"
    if not back:
        _paint_waist_inside(scene, garment, scene.label("skirt_hidden" if skirt else "pants_hidden"))
    if skirt:
        paint_skirt(scene, garment, scene.label("skirt"))
        return
    for side in SIDES:
        paint_trouser_leg(scene, garment, side, scene.label("pants_lsleeve" if side == 1 else "pants_rsleeve"))
    paint_hip(scene, garment, scene.label("hip"))


def _paint_waist_inside(scene: Scene, garment: Garment, label: int) -> None:
    """Paint the far inside of the waist, a lens above the front's edge."""
    profile = _lower_profile(scene, garment)
    surface = lathe(scene.view, profile, WAIST - 0.012, WAIST + 0.01)
    rise = np.float32(0.011 * scene.view.unit) * surface.near
    surface = surface.cut(edge(surface.down - np.float32(WAIST * scene.view.unit) + rise))
    colour = as_colour(garment.base) * np.float32(0.5) * surface.light[..., None]
    scene.canvas.paint(surface.box, surface.cover, colour, label)


def _lower_profile(scene: Scene, garment: Garment) -> Profile:
    if garment.kind == "skirt":
        return skirt_profile(scene, garment)
    return hip_profile(scene)


def _landmarks(scene: Scene, garment: Garment) -> NDArray[np.float64]:
    """Return the garment's own points in the slots of the body's joints."""
    points = np.zeros((NUM_KEYPOINTS, 3))
    for side in SIDES:
        marks = _top_marks(scene, garment, side) if garment.has_torso else _lower_marks(scene, garment, side)
        for left, point in marks.items():
            x, y, _ = scene.view.screen(point)
            points[left if side == 1 else left.mirrored] = (
                min(max(x, 0.0), WIDTH - 1.0),
                min(max(y, 0.0), HEIGHT - 1.0),
                2.0,
            )
    return points


def _corner(profile: Profile, y: float, side: Side) -> Point:
    half = float(profile.at(np.array([y, y + 0.001], np.float32))[0][0])
    return side * half * 0.97, y, 0.0


def _top_marks(scene: Scene, garment: Garment, side: Side) -> dict[Keypoint, Point]:
    """Return slot (the left one, of either side) → point: shoulder, sleeve, hem; a dress has waist, middle and hem."""
    arm, profile = scene.bones.arms[side], torso_profile(scene, garment)
    marks: dict[Keypoint, Point] = {_SHOULDER: (side * (0.076 if garment.sleeve == "none" else 0.100), 0.196, 0.0)}
    if garment.sleeve == "short":
        marks[_ELBOW] = arm.until(sleeve_length(garment))[-1]
    elif garment.sleeve == "long":
        marks |= {_ELBOW: arm.middle, _WRIST: arm.until(sleeve_length(garment))[-1]}
    if garment.slot == "dress":
        middle = (WAIST + garment.hem) / 2
        return marks | {_HIP: _corner(profile, WAIST, side), _KNEE: _corner(profile, middle, side),
                        _ANKLE: _corner(profile, garment.hem, side)}  # fmt: skip
    if garment.slot == "outer" and garment.hem > 0.58:
        return marks | {_HIP: _corner(profile, 0.50, side), _KNEE: _corner(profile, garment.hem, side)}
    return marks | {_HIP: _corner(profile, garment.hem, side)}


def _lower_marks(scene: Scene, garment: Garment, side: Side) -> dict[Keypoint, Point]:
    """Return slot (the left one, of either side) → point: waist, then knee or hem, then a long garment's hem."""
    profile = _lower_profile(scene, garment)
    marks = {_HIP: _corner(profile, WAIST + 0.004, side)}
    if garment.kind != "skirt":
        ends = leg_points(scene.bones.legs[side], garment.hem)
        return marks | ({_KNEE: ends[-1]} if garment.kind == "shorts" else {_KNEE: ends[1], _ANKLE: ends[-1]})
    if garment.hem < 0.72:
        return marks | {_KNEE: _corner(profile, garment.hem, side)}
    return marks | {
        _KNEE: _corner(profile, (WAIST + garment.hem) / 2, side),
        _ANKLE: _corner(profile, garment.hem, side),
    }

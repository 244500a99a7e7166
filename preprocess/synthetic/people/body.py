"""Bare skin and shoes: neck and chest, arms with hands, legs with feet."""

from __future__ import annotations

from typing import Final

import numpy as np

from preprocess.synthetic.drawing.canvas import F32, as_colour
from preprocess.synthetic.drawing.palette import RGB
from preprocess.synthetic.drawing.scene import Scene
from preprocess.synthetic.drawing.solids import Surface, edge, lathe, tube
from preprocess.synthetic.drawing.view import Point
from preprocess.synthetic.people.person import Person
from preprocess.synthetic.people.skeleton import FOREARM, HAND, SHIN, THIGH, UPPER_ARM, Side

_WRIST = UPPER_ARM + FOREARM
ARM_RADII: Final = (
    (0.0, 0.0270), (0.05, 0.0285), (UPPER_ARM, 0.0215), (UPPER_ARM + 0.045, 0.0215), (_WRIST - 0.01, 0.0145),
    (_WRIST + 0.012, 0.0145), (_WRIST + 0.034, 0.0185), (_WRIST + HAND, 0.0090),
)  # fmt: skip
"""(length, radius) along an arm from the shoulder to the finger tips."""
LEG_RADII: Final = (
    (0.0, 0.0530), (0.09, 0.0500), (THIGH - 0.02, 0.0340), (THIGH + 0.02, 0.0320), (THIGH + 0.075, 0.0355),
    (THIGH + SHIN - 0.03, 0.0200), (THIGH + SHIN, 0.0190),
)  # fmt: skip
"""(length, radius) along a leg from the hip to the ankle."""


def _skin(surface: Surface, colour: RGB) -> F32:
    return as_colour(colour) * (surface.light + np.float32(0.04))[..., None]


def shoulder_seam(scene: Scene, surface: Surface, side: Side) -> Surface:
    """Cut away the part of an arm or sleeve that lies inside the shoulder, along an armhole's line."""
    root = scene.view.screen(scene.bones.arms[side].root)
    xs, _ = surface.box.grid()
    depth = surface.radius * surface.near
    outward = side * ((xs - np.float32(root[0])) * scene.view.cos - depth * scene.view.sin)
    inner = outward + 0.28 * surface.radius + 0.8 * np.maximum(surface.down - 0.6 * surface.radius, 0.0)
    return surface.cut(edge(inner.astype(np.float32)))


def paint_trunk(scene: Scene, person: Person) -> None:
    """Paint neck and bare trunk; what a garment leaves open of it is neck, or arm at the shoulders."""
    neck: list[Point] = [(0.0, 0.100, -0.004), (0.0, 0.200, -0.010)]
    trunk = lathe(scene.view, scene.bones.trunk, 0.158, 0.44)
    at_arm = np.abs(trunk.side) > 0.072 * scene.view.unit
    arms = np.where(trunk.side > 0, scene.label("left_arm"), scene.label("right_arm"))
    labels = np.where(at_arm, arms, scene.label("neck")).astype(np.uint8)
    scene.canvas.paint(trunk.box, trunk.cover, _skin(trunk, person.skin), labels)
    column = tube(scene.view, neck, ((0.0, 0.0295), (0.05, 0.0295), (0.1, 0.036)))
    # The neck fades into the chest instead of having a visible edge.
    column = column.cut(np.clip(np.float32(4.4) - column.down / np.float32(0.02 * scene.view.unit), 0.0, 1.0))
    scene.canvas.paint(column.box, column.cover, _skin(column, person.skin), scene.label("neck"))


def _thick(radii: tuple[tuple[float, float], ...], girth: float) -> tuple[tuple[float, float], ...]:
    return tuple((at, radius * girth) for at, radius in radii)


def paint_arm(scene: Scene, person: Person, side: Side, shadow: float, *, hidden: bool = False) -> None:
    """Paint a bare arm with its hand, or without where that is ``hidden`` in a pocket."""
    limb = scene.bones.arms[side]
    label = scene.label("left_arm" if side == 1 else "right_arm")
    points, radii = [limb.root, limb.middle, limb.end, limb.tip], _thick(ARM_RADII, person.girth)
    if hidden:
        points = [limb.root, limb.middle, _mix(limb.end, limb.tip, 0.25)]
    surface = tube(scene.view, points, radii)
    surface = shoulder_seam(scene, surface, side)
    scene.canvas.paint(surface.box, surface.cover, _skin(surface, person.skin), label, shadow)
    if hidden:
        return
    start, away = _mix(limb.end, limb.tip, 0.2), _mix(limb.end, limb.tip, 0.68)
    thumb = tube(
        scene.view, [start, (away[0] - side * 0.011, away[1], away[2] + 0.017)], ((0.0, 0.0085), (0.06, 0.0055))
    )
    scene.canvas.paint(thumb.box, thumb.cover, _skin(thumb, person.skin), label)


def paint_leg(scene: Scene, person: Person, side: Side) -> None:
    """Paint a bare leg down to the ankle."""
    limb = scene.bones.legs[side]
    surface = tube(scene.view, [limb.root, limb.middle, limb.end], _thick(LEG_RADII, person.girth))
    label = scene.label("left_leg" if side == 1 else "right_leg")
    scene.canvas.paint(surface.box, surface.cover, _skin(surface, person.skin), label, shadow=0.25)


def paint_shoe(scene: Scene, person: Person, side: Side) -> None:
    """Paint a shoe; its toe lies lower in the image the nearer it is, as seen from standing height."""
    limb = scene.bones.legs[side]
    x, _, z = limb.end
    heel, toe = (x - side * 0.004, 0.980, z - 0.018), limb.tip
    lowered: list[Point] = []
    for point in ((x, 0.955, z), heel, toe):
        depth = scene.view.screen(point)[2] / scene.view.unit
        lowered.append((point[0], point[1] + 0.10 * depth, point[2]))
    surface = tube(scene.view, lowered, ((0.0, 0.0190), (0.03, 0.0215), (0.08, 0.0205), (0.14, 0.0150)))
    label = scene.label("left_shoe" if side == 1 else "right_shoe")
    colour = (as_colour(person.shoes) + np.float32(8.0)) * surface.light[..., None]
    scene.canvas.paint(surface.box, surface.cover, colour, label, shadow=0.2)


def _mix(one: Point, other: Point, t: float) -> Point:
    return one[0] + (other[0] - one[0]) * t, one[1] + (other[1] - one[1]) * t, one[2] + (other[2] - one[2]) * t

"""Heads: skull, ears, face and hair, each turning with the body."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from preprocess.synthetic.drawing.canvas import F32, Box, as_colour, ellipse
from preprocess.synthetic.drawing.palette import RGB
from preprocess.synthetic.drawing.scene import Scene
from preprocess.synthetic.drawing.solids import Profile, Surface, edge, lathe
from preprocess.synthetic.drawing.view import Point
from preprocess.synthetic.people.person import HairStyle, Person

HEAD: Final = 0.137
"""Height of a head, as a fraction of the body's."""

SKULL: Final = (
    (0.00, 0.06, 0.06, -0.002), (0.06, 0.48, 0.50, -0.002), (0.16, 0.78, 0.80, -0.002), (0.30, 0.96, 0.97, -0.001),
    (0.45, 1.00, 1.00, 0.0), (0.60, 0.96, 0.96, 0.001), (0.74, 0.86, 0.82, 0.006), (0.86, 0.68, 0.64, 0.012),
    (0.95, 0.42, 0.42, 0.020), (1.00, 0.10, 0.12, 0.026),
)  # fmt: skip
"""Rows (height 0..1 of the head, width, depth as parts of the largest, fore) of a skull."""

SHELLS: Final[dict[HairStyle, tuple[tuple[float, float, float, float], ...]]] = {
    "short": ((-0.10, 0.10, 0.1, -0.006), (-0.04, 0.52, 0.55, -0.006), (0.10, 0.91, 0.94, -0.005),
              (0.30, 1.10, 1.10, -0.005), (0.50, 1.10, 1.08, -0.006), (0.70, 0.96, 0.94, -0.010),
              (0.84, 0.68, 0.72, -0.016), (0.94, 0.40, 0.46, -0.018)),
    "bob": ((-0.10, 0.10, 0.1, -0.004), (-0.04, 0.56, 0.6, -0.004), (0.10, 0.92, 0.95, -0.004),
            (0.35, 1.16, 1.14, -0.006), (0.70, 1.28, 1.16, -0.012), (1.00, 1.34, 1.10, -0.014),
            (1.16, 1.20, 0.95, -0.014)),
    "long": ((-0.10, 0.10, 0.1, -0.004), (-0.04, 0.54, 0.58, -0.004), (0.10, 0.90, 0.94, -0.004),
             (0.35, 1.12, 1.12, -0.006), (0.80, 1.24, 1.12, -0.014), (1.30, 1.48, 1.08, -0.020),
             (2.00, 1.62, 1.06, -0.022), (2.35, 1.30, 0.90, -0.024)),
    "afro": tuple((0.28 - 0.70 * math.cos(step), 1.70 * math.sin(step), 1.62 * math.sin(step), -0.010)
                  for step in np.linspace(0.06, math.pi - 0.12, 14).tolist()),
}  # fmt: skip
"""Rows of the hair over a skull, as in ``SKULL``; a bun is short hair with a knot."""

OPENING: Final[dict[HairStyle, tuple[float, float, float]]] = {
    "short": (0.16, 1.22, 1.95), "bob": (0.20, 1.06, 1.02), "long": (0.18, 1.08, 1.10), "bun": (0.15, 1.25, 2.0),
    "afro": (0.17, 1.02, 1.60),
}  # fmt: skip
"""Of the face in the hair: where it begins below the crown, and its half-angle at the eyes and at the chin."""


def _profile(rows: tuple[tuple[float, float, float, float], ...], person: Person, jaw: float = 1.0) -> Profile:
    height, width, depth = HEAD * person.head, 0.0480 * person.head, 0.0550 * person.head
    return Profile(tuple((t * height, a * width * (jaw if t > 0.65 else 1.0), b * depth, z) for t, a, b, z in rows))


def _skull_point(person: Person, t: float, turn: float, out: float = 1.0) -> Point:
    """Return a body point on the skull at a height (0..1 of the head) and an angle from the front."""
    a, b, z = (float(np.interp(t, [row[0] for row in SKULL], [row[i] for row in SKULL])) for i in (1, 2, 3))
    width, depth = 0.0480 * person.head * a * out, 0.0550 * person.head * b * out
    return math.sin(turn) * width, t * HEAD * person.head, math.cos(turn) * depth + z


def face_points(person: Person) -> tuple[Point, ...]:
    """Return nose, left eye, right eye, left ear, right ear in body coordinates."""
    places = ((0.64, 0.0, 1.08), (0.50, 0.42, 1.0), (0.50, -0.42, 1.0), (0.56, 1.6, 1.02), (0.56, -1.6, 1.02))
    return tuple(_skull_point(person, *place) for place in places)


def paint_head(scene: Scene, person: Person) -> None:
    """Paint skull, ears and face, without the hair in front."""
    for side in (1, -1):
        if _facing(scene, side * math.pi / 2) < 0.35:
            _ear(scene, person, side)
    surface = lathe(scene.view, _profile(SKULL, person, person.jaw), 0.0, HEAD * person.head)
    skin = as_colour(person.skin) * (surface.light + 0.05)[..., None]
    scene.canvas.paint(surface.box, surface.cover, skin, scene.label("face"), shadow=0.45)
    for side in (1, -1):
        if _facing(scene, side * math.pi / 2) >= 0.35:
            _ear(scene, person, side)
    _face(scene, person)


def paint_hair_behind(scene: Scene, person: Person) -> None:
    """Paint the far half of the hair, which neck, shoulders and head then hide."""
    surface = _shell(scene, person)
    # The visible side of the far half is its inside, so it is dark.
    colour = _strands(person, surface) * np.float32(0.8)
    hair = surface.cut(_beside_face(scene, person, surface, surface.far_turn))
    scene.canvas.paint(hair.box, hair.cover, colour, scene.label("hair"))


def paint_hair(scene: Scene, person: Person) -> None:
    """Paint the near half of the hair, which leaves the face open."""
    surface = _shell(scene, person)
    hair = surface.cut(_beside_face(scene, person, surface, surface.turn))
    if person.style == "bun":
        _bun(scene, person)
    scene.canvas.paint(hair.box, hair.cover, _strands(person, hair), scene.label("hair"), shadow=0.3)


def _beside_face(scene: Scene, person: Person, surface: Surface, turn: F32) -> F32:
    """Return what the face's opening leaves of the hair at an angle ``turn`` around the head, 0..1."""
    begin, at_eyes, at_chin = OPENING[person.style]
    t = surface.down / np.float32(scene.view.unit * HEAD * person.head)
    arch = np.sqrt(np.clip((t - begin) / 0.22, 0.0, 1.0))
    half = arch * (at_eyes + (at_chin - at_eyes) * np.clip((t - 0.45) / 0.4, 0.0, 1.0))
    if any(person.hair_front):
        # Below the chin hair falls over the shoulders to the front.
        forward = np.where(np.sin(turn) > 0.0, person.hair_front[0], person.hair_front[1])
        half = np.maximum(half - (forward * np.clip((t - 0.95) / 0.45, 0.0, 1.0)).astype(np.float32), np.float32(0.12))
    from_front = np.abs(np.mod(turn + np.pi, 2 * np.pi) - np.pi)
    keep = edge(((from_front - half) * surface.radius * np.maximum(surface.near, 0.3)).astype(np.float32))
    return np.where(half <= 0.0, np.float32(1.0), keep)


def _shell(scene: Scene, person: Person) -> Surface:
    rows = SHELLS["short" if person.style == "bun" else person.style]
    if person.style == "long" and person.hair_length != 1.0:
        rows = tuple((t if t < 1.0 else 1.0 + (t - 1.0) * person.hair_length, a, b, z) for t, a, b, z in rows)
    profile = _profile(rows, person)
    surface = lathe(scene.view, profile, profile.rows[0][0], profile.rows[-1][0])
    if person.style != "long":
        return surface
    # Long hair ends in uneven tips.
    tips = np.float32(4.0) * np.sin(surface.turn * np.float32(15.0))
    return surface.cut(
        edge(np.float32((rows[-1][0] - 0.10) * HEAD * person.head * scene.view.unit) - surface.down + tips)
    )


def _strands(person: Person, surface: Surface) -> F32:
    if person.style == "afro":
        grain = np.sin(surface.turn * 31.0 + surface.down * 0.23) * np.sin(surface.turn * 17.0 - surface.down * 0.31)
    else:
        grain = np.sin(surface.turn * 21.0 + 1.5 * np.sin(surface.down * 0.045)) * np.float32(0.8)
    gloss = 0.9 + 0.10 * grain + 0.22 * np.clip(surface.light - 0.85, 0.0, 1.0)
    base = as_colour(person.hair) + np.float32(10.0)
    strands: F32 = (base * (surface.light * gloss)[..., None]).astype(np.float32)
    return strands


def _bun(scene: Scene, person: Person) -> None:
    x, y, _ = scene.view.screen((0.0, -0.012, -0.030))
    radius = 0.027 * scene.view.unit
    box = Box.around(x - radius, y - radius, x + radius, y + radius)
    gx, gy = box.grid()
    light = 1.0 - 0.35 * np.hypot((gx - x) / radius + 0.3, (gy - y) / radius + 0.3)
    tone = (as_colour(person.hair) + np.float32(14.0)) * light[..., None].astype(np.float32)
    scene.canvas.paint(box, ellipse(box, x, y, radius, radius * 0.92), tone, scene.label("hair"))


def _facing(scene: Scene, turn: float) -> float:
    """Return how directly a point at an angle around the head faces the camera, -1..1."""
    return math.cos(turn + scene.view.yaw)


def _ear(scene: Scene, person: Person, side: int) -> None:
    x, y, _ = scene.view.screen(_skull_point(person, 0.56, side * 1.62, 1.02))
    wide = scene.view.unit * (0.0045 + 0.0065 * abs(_facing(scene, side * math.pi / 2)))
    tall = scene.view.unit * 0.0150
    box = Box.around(x - wide, y - tall, x + wide, y + tall)
    scene.canvas.paint(box, ellipse(box, x, y, wide, tall), _tint(person.skin, 0.90), scene.label("face"))
    scene.canvas.paint(box, ellipse(box, x, y, wide * 0.5, tall * 0.6), _tint(person.skin, 0.74), None)


def _tint(colour: RGB, factor: float) -> F32:
    return as_colour(colour) * np.float32(factor)


def _mix(one: RGB, other: RGB, part: float) -> RGB:
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _face(scene: Scene, person: Person) -> None:
    unit, spot = scene.view.unit, scene.canvas.spot
    for side in (1, -1):
        facing = _facing(scene, side * 0.42)
        if facing > 0.1:
            _eye(scene, person, side, facing)
        cheek = _facing(scene, side * 0.62)
        if cheek > 0.2:
            x, y, _ = scene.view.screen(_skull_point(person, 0.68, side * 0.62))
            spot(x, y, unit * 0.011 * cheek, unit * 0.009, _mix(person.skin, (226, 96, 90), 0.5), 0.22)
    front = _facing(scene, 0.0)
    if front < -0.1:
        return
    _nose(scene, person, front)
    if front > 0.05:
        x, y, _ = scene.view.screen(_skull_point(person, 0.795, 0.0))
        wide, full = unit * 0.0145 * max(front, 0.35), unit * (0.0036 + 0.0016 * person.lips)
        lips = _mix(person.skin, (168, 40, 52), 0.55)
        spot(x, y + full * 0.45, wide * 0.86, full, lips)
        spot(x, y - full * 0.35, wide, full * 0.62, _mix(lips, (90, 20, 30), 0.35))


def _eye(scene: Scene, person: Person, side: int, facing: float) -> None:
    unit, spot = scene.view.unit, scene.canvas.spot
    x, y, _ = scene.view.screen(_skull_point(person, 0.515, side * 0.42))
    wide = unit * 0.0088 * facing
    spot(x, y - unit * 0.0008, wide * 1.14, unit * 0.0056, (48, 34, 32))
    spot(x, y + unit * 0.0006, wide, unit * 0.0046, (250, 248, 246))
    looks = x + scene.view.sin * wide * 0.3
    spot(looks, y + unit * 0.0004, unit * 0.0042 * max(facing, 0.4), unit * 0.0045, person.eyes)
    spot(looks, y + unit * 0.0004, unit * 0.0021 * max(facing, 0.4), unit * 0.0022, (14, 12, 14))
    spot(looks - 1.0, y - 1.2, 0.9, 0.9, (255, 255, 255), 0.9)
    bx, by, _ = scene.view.screen(_skull_point(person, 0.415, side * 0.44))
    brow = _mix(person.hair, (40, 28, 24), 0.4)
    spot(bx, by, unit * 0.0118 * facing, unit * (0.0018 + 0.0013 * person.brows), brow, 0.9)


def _nose(scene: Scene, person: Person, front: float) -> None:
    unit, spot = scene.view.unit, scene.canvas.spot
    x, y, _ = scene.view.screen(_skull_point(person, 0.645, 0.0, 1.03))
    rx, ry = unit * 0.0062, unit * 0.0062
    box = Box.around(x - rx, y - ry * 2.6, x + rx, y + ry)
    bridge = ellipse(box, x - scene.view.sin * rx * 0.5, y - ry * 0.8, rx * 0.72, ry * 1.75)
    tip = np.maximum(bridge, ellipse(box, x, y, rx, ry * 0.8))
    scene.canvas.paint(box, tip * np.float32(0.9), _tint(person.skin, 1.03), scene.label("face"))
    spot(x, y + ry * 0.75, rx * 0.85 * max(front, 0.4), ry * 0.22, _mix(person.skin, (80, 30, 24), 0.6), 0.8)

"""Garments as surfaces over a body; a product image is the same garment over an invisible one."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from preprocess.synthetic.drawing.canvas import F32, as_colour
from preprocess.synthetic.drawing.scene import Scene
from preprocess.synthetic.drawing.solids import Profile, Surface, edge, lathe, tube
from preprocess.synthetic.drawing.view import HIP, Point
from preprocess.synthetic.garments.cloth import Part, cloth, trim_cover
from preprocess.synthetic.garments.cut import Cut, bands, leg_radii, neck_distance, sleeve_radii, torso_shape
from preprocess.synthetic.garments.drape import drape
from preprocess.synthetic.garments.garment import Garment
from preprocess.synthetic.people.body import shoulder_seam
from preprocess.synthetic.people.skeleton import FOREARM, THIGH, UPPER_ARM, Limb, Side

COLLAR: Final = 0.164
"""Height of a garment's upper edge below the crown."""
WAIST: Final = 0.402
"""Height of the upper edge of trousers and skirts below the crown."""
SLEEVE_ENDS: Final = {"none": 0.0, "short": 0.105, "long": UPPER_ARM + FOREARM - 0.006}
"""Length of a sleeve along the arm."""


Radii = tuple[tuple[float, float], ...]


def sleeve_length(garment: Garment) -> float:
    """Return the length of a garment's sleeves along the arm."""
    return SLEEVE_ENDS[garment.sleeve] if garment.cut is None else garment.cut.sleeve_end


def torso_profile(scene: Scene, garment: Garment) -> Profile:
    """Return the cross-sections of a top, dress or outer garment from the collar to its hem."""
    if garment.cut is not None:
        return _cut_torso(scene, garment, garment.cut)
    extra = 0.011 if garment.slot == "outer" else 0.004
    trunk = scene.bones.trunk.eased(1.0 + garment.ease, extra)
    rows = [(y, a if y > 0.2 else a - garment.ease * 0.08, b, z) for y, a, b, z in trunk.rows]
    if garment.slot == "dress":
        return Profile(_flared(tuple(rows), 0.44, garment))
    # The hem does not follow the waist all the way: cloth hangs from the chest.
    slack = 0.35 + 4.0 * garment.ease
    chest = next(a for y, a, _, _ in rows if y >= 0.30)
    rows = [(y, a + max(chest - a, 0.0) * slack * (y > 0.31), b, z) for y, a, b, z in rows]
    return Profile((*rows, (0.75, rows[-1][1] * 1.06, rows[-1][2] * 1.06, rows[-1][3])))


def _cut_torso(scene: Scene, garment: Garment, cut: Cut) -> Profile:
    """Return the cross-sections of a garment that has a cut; its outline is uneven."""
    rows = torso_shape(scene.bones, cut, garment.ease, garment.slot == "outer")
    if garment.slot == "dress":
        rows = _flared(rows, 0.44, garment)
    else:
        rows = (*rows, (0.75, rows[-1][1] * 1.06, rows[-1][2] * 1.06, rows[-1][3]))
    lumps = np.random.default_rng([*(scene.salt or (0,)), garment.seed, 34]).normal(1.0, 0.018, 12)
    return bands(rows, tuple(np.maximum(lumps, 0.985).tolist()))


def _cloth(scene: Scene, garment: Garment, surface: Surface, part: Part, shift: float = 0.0) -> F32:
    """Return the colours of a part's surface, with the folds that the pose makes where the set is varied."""
    if scene.salt is None or garment.textile is None:
        return cloth(garment, surface, part, scene.view.unit, shift)
    key = (part, garment.seed)
    if key not in scene.drapes:
        loose = float(np.clip(garment.ease / 0.4, 0.0, 1.0))
        scene.drapes[key] = drape(scene, part, loose, (*scene.salt, garment.seed), scene.folds)
    return cloth(garment, surface, part, scene.view.unit, shift, scene.drapes[key])


def _flared(
    rows: tuple[tuple[float, float, float, float], ...], start: float, garment: Garment
) -> tuple[tuple[float, float, float, float], ...]:
    """Keep rows down to ``start`` and let a skirt fall from there."""
    kept = tuple(row for row in rows if row[0] <= start)
    a, b = (float(np.interp(start, [row[0] for row in rows], [row[i] for row in rows])) for i in (1, 2))
    hip = max(row[1] for row in rows if row[0] > start)
    deep = max(row[2] for row in rows if row[0] > start)
    tail = []
    for y in (0.47, 0.50, 0.54, 0.60, 0.70, 0.80, 0.95):
        fall = garment.flare * (y - start)
        grow = min((y - start) / 0.06, 1.0)
        tail.append((y, max(a + fall, a + (hip - a) * grow), max(b + fall * 0.75, b + (deep - b) * grow), -0.008))
    return (*kept, (start, a, b, -0.002), *tail)


def skirt_profile(scene: Scene, garment: Garment) -> Profile:
    """Return the cross-sections of a skirt from the waist to its hem."""
    return Profile(_flared(scene.bones.trunk.eased(1.03, 0.004).rows, 0.435, garment))


def hip_profile(scene: Scene) -> Profile:
    """Return the cross-sections of the upper part of trousers, as deep as the legs where it ends."""
    rows = scene.bones.trunk.eased(1.035, 0.004).rows
    kept = tuple(row for row in rows if row[0] <= 0.5)
    half = kept[-1][1]
    return Profile((*kept, (0.530, half, 0.065, -0.005), (0.555, half, 0.058, -0.002), (0.59, half, 0.055, 0.0)))


def neck_opening(garment: Garment, surface: Surface, unit: float) -> F32:
    """Return the signed distance (h, w) in pixels to the neck's opening, positive inside."""
    x, y = np.abs(surface.side) / np.float32(unit), surface.down / np.float32(unit)
    ahead: NDArray[np.floating]
    if garment.cut is not None:
        ahead = neck_distance(garment.cut, garment.neck == "v", x, y)
    elif garment.neck == "v":
        ahead = (1.0 - x / 0.043 - (y - 0.166) / 0.080) * 0.036
    else:
        ahead = (1.0 - np.hypot(x / 0.043, (y - 0.166) / 0.036)) * 0.038
    back = (1.0 - np.hypot(x / 0.043, (y - 0.162) / 0.016)) * 0.016
    if garment.slot == "outer":
        # An outer garment is worn open: a wide collar that narrows to a gap down to the hem.
        gap = 0.016 + 0.030 * np.clip((0.30 - y) / 0.13, 0.0, 1.0) + 0.018 * np.clip((y - 0.36) / 0.3, 0.0, 1.0)
        ahead = gap - x
    distance: F32 = (np.where(surface.front > 0.0, ahead, back) * np.float32(unit)).astype(np.float32)
    return distance


def _armholes(scene: Scene, surface: Surface) -> F32:
    """Return the coverage that a sleeveless garment keeps of its torso, 0..1."""
    unit = np.float32(scene.view.unit)
    y = surface.down / unit
    limit = 0.079 + 1.6 * np.maximum(y - 0.245, 0.0) - 0.05 * np.clip(y - 0.18, 0.0, 0.05)
    return edge(((limit - np.abs(surface.side) / unit) * unit).astype(np.float32))


def torso_surface(scene: Scene, garment: Garment) -> Surface:
    """Return the torso of a garment (a dress with its skirt), neck not yet cut out."""
    surface = lathe(scene.view, torso_profile(scene, garment), COLLAR, garment.hem, sag=0.010)
    return surface.cut(_armholes(scene, surface)) if garment.sleeve == "none" else surface


def paint_torso(scene: Scene, garment: Garment, label: int, shadow: float = 0.35) -> None:
    """Paint the torso of a top, dress or outer garment, open at the neck."""
    unit = scene.view.unit
    surface = torso_surface(scene, garment)
    opening = neck_opening(garment, surface, unit)
    colour = _cloth(scene, garment, surface, "body")
    collar = garment.cut is not None and "collar" in garment.cut.details
    band = trim_cover(-opening, (0.024 if collar else 0.0115) * unit)
    rim = as_colour(garment.second) * surface.light[..., None] if garment.trim else colour * np.float32(0.80)
    colour = colour + band[..., None] * (rim - colour)
    hem = trim_cover(np.float32((garment.hem + 0.004) * unit) - surface.down, 0.006 * unit)
    colour = colour * (1.0 - 0.12 * hem)[..., None]
    surface = surface.cut(1.0 - edge(opening))
    scene.canvas.paint(surface.box, surface.cover, colour, label, shadow)
    if garment.cut is not None and garment.cut.high_neck:
        _paint_high_neck(scene, garment, label)


def _paint_high_neck(scene: Scene, garment: Garment, label: int) -> None:
    """Paint a collar of knit around the neck."""
    points: list[Point] = [(0.0, 0.186, -0.009), (0.0, 0.139, -0.006)]
    surface = tube(scene.view, points, ((0.0, 0.045), (0.02, 0.0345), (0.05, 0.0335)), flat=True)
    colour = as_colour(garment.second if garment.trim else garment.base) * (0.95 * surface.light)[..., None]
    scene.canvas.paint(surface.box, surface.cover, colour.astype(np.float32), label)


def paint_inside(scene: Scene, garment: Garment, label: int) -> None:
    """Paint the far inside of a top, which a product image shows through the neck."""
    surface = torso_surface(scene, garment)
    y = surface.down / np.float32(scene.view.unit)
    x = surface.side / np.float32(scene.view.unit)
    back = (1.0 - np.hypot(x / 0.043, (y - 0.162) / 0.016)) * np.float32(0.016 * scene.view.unit)
    inside = surface.cut(1.0 - edge(back.astype(np.float32)))
    colour = as_colour(garment.base) * np.float32(0.52) * inside.light[..., None]
    scene.canvas.paint(inside.box, inside.cover, colour, label)


def paint_sleeve(scene: Scene, garment: Garment, side: Side, label: int, shadow: float = 0.3) -> None:
    """Paint one sleeve from the armhole to its end; a sleeveless garment has none."""
    if garment.sleeve == "none":
        return
    unit, length = scene.view.unit, sleeve_length(garment)
    wide = 1.06 + garment.ease
    extra = 0.010 if garment.slot == "outer" else 0.004
    end = 0.033 if garment.sleeve == "short" else 0.0185
    radii: Radii
    radii = ((0.0, 0.0250 * wide + extra * 0.1), (0.06, 0.0300 * wide + extra), (UPPER_ARM, 0.0245 * wide + extra),
             (UPPER_ARM + FOREARM, end * wide + extra))  # fmt: skip
    if garment.sleeve == "short":
        radii = ((0.0, 0.0255 * wide + extra * 0.3), (0.05, 0.0305 * wide + extra), (0.105, end * wide + extra),
                 (0.2, end * wide + extra))  # fmt: skip
    if garment.cut is not None:
        radii = sleeve_radii(scene.bones, garment.cut, garment.slot == "outer")
    surface = tube(scene.view, scene.bones.arms[side].until(length), radii, flat=True)
    surface = shoulder_seam(scene, surface, side)
    colour = _cloth(scene, garment, surface, "sleeve")
    cuff = trim_cover(np.float32(length * unit) - surface.down, 0.014 * unit)
    rim = as_colour(garment.second) * surface.light[..., None] if garment.trim else colour * np.float32(0.84)
    colour = colour + cuff[..., None] * (rim - colour)
    scene.canvas.paint(surface.box, surface.cover, colour, label, shadow)


def leg_points(limb: Limb, hem: float) -> list[Point]:
    """Return the points of a trouser leg that ends at a height, or at the ankle."""
    descent = limb.end[1] - limb.root[1]
    return limb.until(limb.length * (hem - limb.root[1]) / descent)


def paint_trouser_leg(scene: Scene, garment: Garment, side: Side, label: int) -> None:
    """Paint one leg of trousers or shorts."""
    loose, knee = garment.ease * 0.10, THIGH
    radii: Radii
    if garment.kind == "shorts":
        radii = ((0.0, 0.0570), (0.06, 0.0575 + loose), (0.16, 0.0530 + loose * 1.6), (0.3, 0.053 + loose * 1.6))
    else:
        hem = 0.027 + 0.055 * min(garment.flare, 0.3) + loose
        radii = ((0.0, 0.0570), (0.09, 0.0550 + loose * 0.6), (knee, 0.0400 + loose), (knee + 0.22, hem))
    if garment.cut is not None:
        radii = leg_radii(scene.bones, garment.cut, garment.kind == "shorts")
    limb = scene.bones.legs[side]
    surface = tube(scene.view, leg_points(limb, garment.hem), radii, flat=True)
    colour = _cloth(scene, garment, surface, "leg", limb.root[0])
    scene.canvas.paint(surface.box, surface.cover, colour, label, shadow=0.35)


def paint_hip(scene: Scene, garment: Garment, label: int) -> None:
    """Paint the upper part of trousers or shorts, which ends in the crotch."""
    unit = scene.view.unit
    surface = lathe(scene.view, hip_profile(scene), WAIST, HIP + 0.068)
    across = np.clip(np.abs(surface.side) / np.maximum(surface.radius, 1.0), 0.0, 1.0)
    # From the front the lower edge follows the groins; from the side there are none.
    groin = np.float32(0.058 * scene.view.cos**2 * unit)
    lowest = np.float32((HIP + 0.058) * unit) - across * groin
    # A soft lower edge: hip and legs are one piece of cloth.
    surface = surface.cut(np.clip((lowest - surface.down) / np.float32(0.022 * unit), 0.0, 1.0))
    colour = _cloth(scene, garment, surface, "body")
    band = trim_cover(surface.down - np.float32(WAIST * unit), 0.018 * unit)
    fly = trim_cover(surface.side + np.float32(1.0), 2.0) * (surface.front > 0) * (surface.down < (HIP + 0.03) * unit)
    colour = colour * (1.0 - 0.18 * band - 0.15 * fly)[..., None]
    scene.canvas.paint(surface.box, surface.cover, colour, label)


def paint_skirt(scene: Scene, garment: Garment, label: int) -> None:
    """Paint a skirt with its waistband."""
    unit = scene.view.unit
    surface = lathe(scene.view, skirt_profile(scene, garment), WAIST, garment.hem, sag=0.014)
    colour = _cloth(scene, garment, surface, "body")
    band = trim_cover(surface.down - np.float32(WAIST * unit), 0.018 * unit)
    colour = colour * (1.0 - 0.18 * band)[..., None]
    scene.canvas.paint(surface.box, surface.cover, colour, label, shadow=0.4)

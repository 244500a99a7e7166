"""The cut of a garment of the varied set, and the shapes that it takes on a body.

A garment has a width of its own: it hangs on a slender body and is tight on a broad one. Cloth stays outside the body.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from preprocess.synthetic.drawing.canvas import F32
from preprocess.synthetic.drawing.solids import Profile, Surface
from preprocess.synthetic.people.skeleton import FOREARM, THIGH, UPPER_ARM, Skeleton

Detail = Literal["buttons", "zip", "pocket", "pouch", "collar"]
CHEST: Final = 0.101
"""Half-width of the average chest."""
_ARM: Final = ((0.0, 0.0258), (0.06, 0.0302), (UPPER_ARM, 0.0240), (UPPER_ARM + FOREARM, 0.0172))
_ROOM: Final = 0.003
"""Of cloth above skin."""


@dataclass(frozen=True)
class Cut:
    """Lengths are fractions of the average wearer's height."""

    slack: float
    """0: follows the waist; 1: falls straight from the chest"""
    sleeve_end: float
    """Length of a sleeve along the arm, 0 for none"""
    sleeve_wide: float
    """Width of the sleeve, 1 = the arm's"""
    cuff: float
    """Width of its end, in parts of the sleeve's"""
    neck: tuple[float, float]
    """Half-width and depth of the neck's opening"""
    high_neck: bool
    """Whether a collar of knit goes up the neck"""
    leg_wide: float
    """Width of trouser legs, 1 = the leg's"""
    leg_end: float
    """Width of a leg's end, in parts of its knee's"""
    details: tuple[Detail, ...]


def torso_shape(bones: Skeleton, cut: Cut, ease: float, outer: bool) -> tuple[tuple[float, float, float, float], ...]:
    """Return the rows of a torso's profile; ``ease`` is the garment's width beyond the average chest's, in parts."""
    room = 0.011 if outer else _ROOM
    own = CHEST * (1 + ease) + room
    rows: list[tuple[float, float, float, float]] = []
    for y, a, b, z in bones.trunk.rows:
        if y <= 0.2:
            rows.append((y, a + room * 0.4, b * 1.03 + room, z))
            continue
        close = a * 1.012 + room
        share = cut.slack if y > 0.31 else 0.55 if y < 0.25 else 0.9
        wide = close + max(own - close, 0.0) * share
        rows.append((y, wide, b * 1.02 + room + (wide - close) * 0.55, z))
    return tuple(rows)


def sleeve_radii(bones: Skeleton, cut: Cut, outer: bool) -> tuple[tuple[float, float], ...]:
    """Return (length along the arm, radius) of a sleeve."""
    room = 0.010 if outer else _ROOM
    wide = max(cut.sleeve_wide, 1.03)
    marks = [at for at, _ in _ARM if at < cut.sleeve_end - 0.02]
    radii = []
    for at in (*marks, cut.sleeve_end, cut.sleeve_end + 0.2):
        bare = bones.girth * float(np.interp(at, [t for t, _ in _ARM], [r for _, r in _ARM]))
        narrowing = 1 + (cut.cuff - 1) * min(at / cut.sleeve_end, 1.0) ** 2
        start = 0.45 if at == 0.0 else 1.0
        radii.append(
            (at, max(bare * (1 + (wide - 1) * start) * narrowing, bare * 1.02) + room * (0.3 if at == 0.0 else 1))
        )
    return tuple(radii)


def leg_radii(bones: Skeleton, cut: Cut, short: bool) -> tuple[tuple[float, float], ...]:
    """Return (length along the leg, radius) of a trouser leg."""
    wide, girth = cut.leg_wide, bones.girth
    half = max(row[1] for row in bones.trunk.rows if row[0] >= 0.5)
    # As wide as the hip's cloth where it begins, however broad the hips are.
    thigh = max(0.0570, half * 1.035 + 0.0025 - abs(bones.legs[1].root[0]))
    if short:
        end = 0.049 * girth + 0.012 * (wide - 1) + 0.002
        upper = max(thigh, 0.0565 + 0.010 * (wide - 1))
        return ((0.0, thigh), (0.06, upper), (0.16, max(end, thigh - 0.006)), (0.3, max(end, thigh - 0.006)))
    knee = 0.0335 * girth * wide + _ROOM
    return (
        (0.0, thigh),
        (0.09, max(0.0505 * girth + _ROOM, 0.4 * knee + 0.032, thigh - 0.005)),
        (THIGH, knee),
        (THIGH + 0.22, max(knee * cut.leg_end, 0.0235)),
    )


def neck_distance(cut: Cut, v: bool, x: NDArray[np.floating], y: NDArray[np.floating]) -> F32:
    """Return the signed distance to the front's opening, positive inside; x is from the axis, y below the crown."""
    half, deep = cut.neck
    if cut.high_neck:
        return np.full(np.broadcast_shapes(x.shape, y.shape), -0.004, np.float32)
    if v:
        distance = (1.0 - x / half - (y - 0.166) / deep) * min(half, deep) * 0.85
    else:
        distance = (1.0 - np.hypot(x / half, (y - 0.166) / deep)) * min(half, deep)
    return np.asarray(distance, np.float32)


def bands(profile_rows: tuple[tuple[float, float, float, float], ...], lumps: tuple[float, ...]) -> Profile:
    """Return a profile whose outline is uneven, as hanging cloth is: factors of the half-width, evenly spread."""
    ys = np.linspace(0.26, 0.95, len(lumps))
    uneven = []
    for y, a, b, z in profile_rows:
        factor = float(np.interp(y, ys, lumps)) if y > 0.24 else 1.0
        uneven.append((y, a * factor, b * factor, z))
    return Profile(tuple(uneven))


def detail_tone(cut: Cut, surface: Surface, unit: float) -> F32 | None:
    """Return factors of brightness for seams, buttons and pockets on a torso, None where it has none."""
    if not cut.details:
        return None
    x, y = surface.side / np.float32(unit), surface.down / np.float32(unit)
    tone = np.ones(surface.cover.shape, np.float32)
    line = np.float32(0.0013)
    if "buttons" in cut.details:
        tone -= 0.18 * ((np.abs(np.abs(x) - 0.011) < line * 0.7) & (y > 0.166))
        down = np.mod(y - 0.185, np.float32(0.042)) - np.float32(0.021)
        tone -= 0.45 * (np.hypot(x, down) < 0.0036)
    if "zip" in cut.details:
        tone -= 0.35 * (np.abs(x) < 0.0022)
    if "pocket" in cut.details:
        dx, dy = np.abs(x - 0.046) - 0.021, np.abs(y - 0.275) - 0.024
        tone -= 0.22 * (np.abs(np.maximum(dx, dy)) < line)
    if "pouch" in cut.details:
        slope = 0.055 + 0.35 * np.clip(y - 0.40, 0.0, 0.03)
        outline = np.maximum(np.abs(x) - slope, np.abs(y - 0.425) - 0.035)
        tone -= 0.2 * (np.abs(outline) < line)
    return np.where(surface.front > 0.0, tone, np.float32(1.0))

"""Round bodies and their visible surface per pixel: lathes (torso, head, skirt) and tubes (limbs, sleeves)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from preprocess.synthetic.drawing.canvas import F32, Box
from preprocess.synthetic.drawing.view import HIP, Light, Point, View


@dataclass(frozen=True)
class Profile:
    """Elliptic cross-sections along Y. A row is (y, half-width, half-depth, fore), fractions of the height."""

    rows: tuple[tuple[float, float, float, float], ...]

    def at(self, ys: F32) -> tuple[F32, F32, F32]:
        """Return half-width, half-depth and fore at every y (h,), rounded where straight pieces meet."""
        knots = np.asarray(self.rows)
        half, depth, fore = (_curve(knots[:, 0], knots[:, i], ys) for i in (1, 2, 3))
        return half, depth, fore

    def eased(self, factor: float, extra: float = 0.0) -> Profile:
        """Return the profile of a garment worn over this one."""
        return Profile(tuple((y, a * factor + extra, b * factor + extra, z) for y, a, b, z in self.rows))


def _curve(knots: NDArray[np.float64], values: NDArray[np.float64], at: F32) -> F32:
    """Return a smooth curve through values at knots (cubic Hermite), constant beyond its ends."""
    slopes = np.gradient(values, knots)
    piece = np.clip(np.searchsorted(knots, at) - 1, 0, len(knots) - 2)
    length = knots[piece + 1] - knots[piece]
    t = np.clip((at - knots[piece]) / length, 0.0, 1.0)
    one, other = values[piece], values[piece + 1]
    bend = (1 - t) * slopes[piece] * length - t * slopes[piece + 1] * length
    straight = other - one
    curve = one + t * straight + t * (1 - t) * (bend + (2 * t - 1) * straight)
    return curve.astype(np.float32)


@dataclass(frozen=True)
class Surface:
    """Visible surface of a solid, per pixel of a box; arrays are (h, w)."""

    box: Box
    cover: F32
    """Coverage, 0..1"""
    light: F32
    """Brightness by the surface's slope, about 0.6..1.1"""
    turn: F32
    """Angle around the axis in radians, 0 = the body's front, growing to the wearer's left"""
    down: F32
    """Length along the axis, pixels"""
    radius: F32
    """Half-width of the solid in the body's own X, pixels; broadcasts to (h, w)"""
    near: F32
    """How directly the surface faces the camera, from 0 at the outline to 1"""
    across: F32
    """How far it faces to the side in the image, -1 at the left outline to 1"""

    @property
    def side(self) -> F32:
        """Distance from the axis to the wearer's left, pixels."""
        side: F32 = np.sin(self.turn) * self.radius
        return side

    @property
    def front(self) -> F32:
        """1 at the front of the body, -1 at its back."""
        front: F32 = np.cos(self.turn)
        return front

    @property
    def far_turn(self) -> F32:
        """``turn`` of the surface's far side, which lies behind the near one."""
        far: F32 = (self.turn + np.float32(np.pi) - 2.0 * np.arcsin(self.across)).astype(np.float32)
        return far

    def cut(self, keep: F32) -> Surface:
        """Return the surface with its coverage multiplied by ``keep``, (h, w) in 0..1."""
        return Surface(
            self.box, self.cover * keep, self.light, self.turn, self.down, self.radius, self.near, self.across
        )


def edge(distance: F32) -> F32:
    """Turn a signed distance in pixels (positive inside) into coverage."""
    cover: F32 = np.clip(distance + np.float32(0.5), 0.0, 1.0)
    return cover


def shade(light: Light, normal: F32, near: F32) -> F32:
    """Return brightness from the normal's part across the image and its part towards the camera."""
    lit = np.clip(normal * light.across + near * light.towards, 0.0, 1.0)
    return np.float32(light.ambient) + np.float32(light.direct) * lit


def lathe(view: View, profile: Profile, top: float, bottom: float, sag: float = 0.0) -> Surface:
    """Return the surface of a lathe between two heights; ``sag`` lowers the near side of its lower edge."""
    unit = view.unit
    first, last = view.y + top * unit, view.y + (bottom + sag) * unit
    widest = max(max(a, b) + abs(z) for _, a, b, z in profile.rows) + abs(view.lean) * HIP
    box = Box.around(view.x - widest * unit, first, view.x + widest * unit, last)
    xs, rows = box.grid()
    ys = ((rows[:, 0] - view.y) / unit).astype(np.float32)
    a, b, fore = profile.at(ys)
    lean = view.lean * np.maximum(HIP - ys, 0.0)
    middle = (view.x + unit * (lean * view.cos + fore * view.sin)).astype(np.float32)[:, None]
    half = np.maximum(np.hypot(a * view.cos, b * view.sin) * unit, 0.01).astype(np.float32)[:, None]
    offset = np.arctan2(b * view.sin, a * view.cos).astype(np.float32)[:, None]
    slope = np.sqrt(1.0 + np.gradient(half[:, 0]) ** 2).astype(np.float32)[:, None]
    across = xs - middle
    normal = np.clip(across / half, -1.0, 1.0)
    near = np.sqrt(1.0 - normal * normal)
    cover = edge((half - np.abs(across)) / slope) * edge(rows - np.float32(first))
    cover *= edge(np.float32(view.y + bottom * unit) + np.float32(sag * unit) * near - rows)
    down = np.broadcast_to((rows - view.y).astype(np.float32), cover.shape)
    radius = (a * unit).astype(np.float32)[:, None]
    return Surface(box, cover, shade(view.light, normal, near), np.arcsin(normal) - offset, down, radius, near, normal)


def tube(view: View, points: Sequence[Point], radii: Sequence[tuple[float, float]], *, flat: bool = False) -> Surface:
    """Return the surface of a tube along body points.

    radii: (length along the tube, radius) in fractions of the height; flat: end with a straight edge, as a sleeve
    does, and not with a round cap.
    """
    seen = [view.screen(point) for point in points]
    widest = max(radius for _, radius in radii) * view.unit
    xs, ys = [p[0] for p in seen], [p[1] for p in seen]
    box = Box.around(min(xs) - widest, min(ys) - widest, max(xs) + widest, max(ys) + widest)
    gx, gy = box.grid()
    lengths = [math.dist(one, other) * view.unit for one, other in pairwise(points)]
    total = max(sum(lengths), 1e-3)
    steps = np.linspace(0.0, total / view.unit, 256)
    table = (np.interp(steps, [at for at, _ in radii], [radius for _, radius in radii]) * view.unit).astype(np.float32)
    shape = (box.bottom - box.top, box.right - box.left)
    best = np.full(shape, -1e6, np.float32)
    normal, down, radius = (np.zeros(shape, np.float32) for _ in range(3))
    start, beyond = 0.0, np.zeros(shape, np.float32)
    tilt = np.zeros(shape, np.float32)
    for one, other, length in zip(seen, seen[1:], lengths, strict=False):
        dx, dy = other[0] - one[0], other[1] - one[1]
        flat_length = max(math.hypot(dx, dy), 1e-3)
        ux, uy = dx / flat_length, dy / flat_length
        rx, ry = gx - one[0], gy - one[1]
        along = rx * ux + ry * uy
        t = np.clip(along / flat_length, 0.0, 1.0)
        here = table[((start + t * length) * (255.0 / total)).astype(np.int32)]
        ox, oy = rx - t * dx, ry - t * dy
        inside = here - np.hypot(ox, oy)
        won = inside > best
        best = np.where(won, inside, best)
        radius = np.where(won, here, radius)
        normal = np.where(won, rx * -uy + ry * ux, normal)
        tilt = np.where(won, ox, tilt)
        down = np.where(won, start + t * length, down)
        beyond = np.where(won, along - flat_length, -1e6)
        start += length
    return _tube_surface(view, box, best, beyond if flat else None, normal, tilt, down, radius)


def _tube_surface(
    view: View, box: Box, inside: F32, beyond: F32 | None, normal: F32, tilt: F32, down: F32, radius: F32
) -> Surface:
    radius = np.maximum(radius, 0.5).astype(np.float32)
    around = np.clip(-normal / radius, -1.0, 1.0).astype(np.float32)
    lit = np.clip(tilt / radius, -1.0, 1.0).astype(np.float32)
    near = np.sqrt(np.clip(1.0 - np.maximum(np.abs(around), np.abs(lit)) ** 2, 0.0, 1.0)).astype(np.float32)
    cover = edge(inside.astype(np.float32))
    if beyond is not None:
        cover *= edge(0.18 * radius * near - beyond)
    turn = np.arcsin(around) - np.float32(view.yaw)
    return Surface(box, cover, shade(view.light, lit, near), turn, down.astype(np.float32), radius, near, around)

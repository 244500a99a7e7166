"""Folds of a worn garment in the varied set: what they shade, and how far they move the cloth beneath a pixel.

A height map at a quarter of the image's size is painted from strokes where cloth folds: from raised arms' pits, at bent
elbows and knees, where it bunches at the waist, where it hangs from chest and hips. Its slope gives shade and
displacement, so a print on a person is no affine copy of the product's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np

from preprocess.synthetic.drawing.canvas import F32, HEIGHT, WIDTH, Box
from preprocess.synthetic.drawing.scene import Scene
from preprocess.synthetic.drawing.view import Point
from preprocess.synthetic.people.skeleton import SIDES, Limb

Part = Literal["body", "sleeve", "leg"]
_DIVISOR: Final = 4
_SIZE: Final = (WIDTH // _DIVISOR, HEIGHT // _DIVISOR)
_FINE, _BROAD = 1.1, 3.2
"""Widths of folds, as standard deviations in pixels of the height map."""
_SHADE: Final = 7.0
_DARKEST, _BRIGHTEST = 0.5, 1.3


@dataclass(frozen=True)
class Drape:
    """Per pixel of the small map (h, w, 3): displacement across and down in image pixels, factor of brightness."""

    field: F32

    def at(self, box: Box) -> tuple[F32, F32, F32]:
        """Return the three for a box of the image."""
        step = 1.0 / _DIVISOR
        move = np.array([[step, 0.0, box.left * step], [0.0, step, box.top * step]])
        size = (box.right - box.left, box.bottom - box.top)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        whole = cv2.warpAffine(self.field, move, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        right, below, tone = (np.asarray(whole[..., channel], np.float32) for channel in range(3))
        return right, below, tone


class _Folds:
    """The strokes of a height map while it is painted."""

    def __init__(self, scene: Scene, rng: np.random.Generator) -> None:
        self.scene, self.rng = scene, rng
        self.fine, self.broad = np.zeros(_SIZE[::-1], np.float32), np.zeros(_SIZE[::-1], np.float32)
        self.unit = scene.view.unit / _DIVISOR

    def place(self, point: Point) -> tuple[float, float]:
        """Return a body point in pixels of the map."""
        x, y, _ = self.scene.view.screen(point)
        return x / _DIVISOR, y / _DIVISOR

    def stroke(self, start: tuple[float, float], angle: float, length: float, height: float) -> None:
        """Add a fold from a place; angle: 0 = right, a quarter turn = down; length: fraction of the body's height."""
        rng = self.rng
        reach, bend = length * self.unit, float(rng.normal(0, 0.35))
        along = np.linspace(0, 1, 9)
        turn = angle + bend * along
        steps = np.stack([np.cos(turn), np.sin(turn)], 1) * reach / 8
        points = np.rint((np.cumsum(steps, 0) - steps + start) * 8).astype(np.int32)
        target = self.broad if rng.random() < 0.45 else self.fine
        thick = 2 if target is self.broad else 1
        peak = height * float(rng.uniform(0.5, 1.2)) * (1 if rng.random() < 0.75 else -1)
        for one, other, at in zip(points, points[1:], along, strict=False):
            level = peak * (1 - float(at)) ** 0.6 * min(1.0, 0.4 + 3 * float(at))
            cv2.line(target, one.tolist(), other.tolist(), level, thick, cv2.LINE_8, shift=3)

    def height(self) -> F32:
        """Return the height map, in pixels of it."""
        fine = cv2.GaussianBlur(self.fine, (0, 0), _FINE) * np.float32(_FINE * 2.2)
        broad = cv2.GaussianBlur(self.broad, (0, 0), _BROAD) * np.float32(_BROAD * 2.2)
        return np.asarray(fine + broad, np.float32)


def drape(scene: Scene, part: Part, loose: float, salt: tuple[int, ...], strength: float) -> Drape:
    """Return the folds of a part of a garment.

    loose: 0 for tight cloth, 1 for very loose; salt: what tells this garment on this person from others; strength: of
    the folds, 1 = as worn, less on a product.
    """
    rng = np.random.default_rng([*salt, ("body", "sleeve", "leg").index(part)])
    folds = _Folds(scene, rng)
    if part == "body":
        _trunk_folds(folds, loose)
    else:
        limbs = scene.bones.arms if part == "sleeve" else scene.bones.legs
        for side in SIDES:
            _limb_folds(folds, limbs[side], loose)
    return Drape(_field(folds.height() * np.float32(strength), rng, scene, loose, strength))


def _field(height: F32, rng: np.random.Generator, scene: Scene, loose: float, strength: float) -> F32:
    cells = (14, 8)
    amplitude = scene.view.unit * (0.0045 + 0.0065 * loose) * (0.15 + 0.85 * strength)
    coarse = rng.normal(0, amplitude, (*cells, 2)).astype(np.float32)
    waves = np.asarray(cv2.resize(coarse, _SIZE, interpolation=cv2.INTER_CUBIC), np.float32)
    waves = waves + cv2.resize(rng.normal(0, amplitude * 0.4, (28, 16, 2)).astype(np.float32), _SIZE,
                        interpolation=cv2.INTER_CUBIC)  # fmt: skip
    soft = cv2.resize(rng.normal(0, 0.05, (20, 12)).astype(np.float32), _SIZE, interpolation=cv2.INTER_CUBIC)
    right = np.asarray(cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=1 / 8), np.float32)
    below = np.asarray(cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=1 / 8), np.float32)
    light = scene.view.light
    # A slope that faces the light is brighter; hollows are a little darker than ridges.
    tone = 1.0 - light.direct * (light.across * right + light.down * below) * _SHADE
    tone += 0.03 * height + soft * (0.25 + 0.75 * loose) * strength
    shift = np.float32(0.9 * _DIVISOR)
    return np.dstack([waves[..., 0] + shift * right, waves[..., 1] + shift * below,
                      np.clip(tone, _DARKEST, _BRIGHTEST)]).astype(np.float32)  # fmt: skip


def _raised(limb: Limb) -> float:
    """Return how far an upper arm or a thigh is raised, 0 = hanging."""
    return math.acos(max(-1.0, min(1.0, (limb.middle[1] - limb.root[1]) / math.dist(limb.root, limb.middle))))


def _bent(limb: Limb) -> float:
    """Return how far a limb is bent at its middle joint, radians."""
    one = [b - a for a, b in zip(limb.root, limb.middle, strict=True)]
    two = [b - a for a, b in zip(limb.middle, limb.end, strict=True)]
    dot = sum(a * b for a, b in zip(one, two, strict=True)) / (math.hypot(*one) * math.hypot(*two))
    return math.acos(max(-1.0, min(1.0, dot)))


def _trunk_folds(folds: _Folds, loose: float) -> None:
    rng, bones = folds.rng, folds.scene.bones
    for side in SIDES:
        arm = bones.arms[side]
        root = folds.place((arm.root[0] * 0.9, arm.root[1] + 0.05, 0.03))
        inwards = math.pi / 2 + 0.55 * math.copysign(1.0, root[0] - folds.place((0.0, 0.3, 0.0))[0])
        for _ in range(int(rng.integers(1, 4))):
            folds.stroke(root, inwards + float(rng.normal(0, 0.35)), float(rng.uniform(0.06, 0.16)),
                         0.35 + 0.5 * _raised(arm))  # fmt: skip
        for _ in range(int(rng.integers(1, 4))):
            waist = (side * float(rng.uniform(0.03, 0.10)), float(rng.uniform(0.36, 0.47)), 0.02)
            towards = 0.0 if folds.place(waist)[0] < folds.place((0.0, 0.4, 0.0))[0] else math.pi
            folds.stroke(folds.place(waist), towards + float(rng.normal(0, 0.4)), float(rng.uniform(0.03, 0.11)),
                         0.3 + 0.3 * loose)  # fmt: skip
    for _ in range(int(rng.poisson(1.0 + 5.0 * loose))):
        start = (float(rng.uniform(-0.09, 0.09)), float(rng.uniform(0.27, 0.42)), 0.03)
        folds.stroke(folds.place(start), math.pi / 2 + float(rng.normal(0, 0.2)), float(rng.uniform(0.08, 0.24)),
                     0.35 + 0.45 * loose)  # fmt: skip
    for _ in range(int(rng.poisson(3.0))):
        start = (float(rng.uniform(-0.10, 0.10)), float(rng.uniform(0.5, 0.85)), 0.02)
        folds.stroke(folds.place(start), math.pi / 2 + float(rng.normal(0, 0.15)), float(rng.uniform(0.08, 0.22)), 0.5)


def _limb_folds(folds: _Folds, limb: Limb, loose: float) -> None:
    rng = folds.rng
    root, middle, end = (folds.place(point) for point in (limb.root, limb.middle, limb.end))
    upper = math.atan2(middle[1] - root[1], middle[0] - root[0])
    lower = math.atan2(end[1] - middle[1], end[0] - middle[0])
    bent = 0.35 + 0.5 * _bent(limb)
    places = ((root, middle, upper, 0.25 + 0.3 * _raised(limb), 0.5), (middle, end, lower, bent, 0.3),
              (middle, end, lower, 0.3 + 0.3 * loose, 1.0))  # fmt: skip
    for start, stop, angle, height, spread in places:
        for _ in range(int(rng.integers(1, 4))):
            t = float(rng.uniform(-0.15, spread))
            at = (start[0] + (stop[0] - start[0]) * t, start[1] + (stop[1] - start[1]) * t)
            across = angle + math.pi / 2 * (1 if rng.random() < 0.5 else -1) + float(rng.normal(0, 0.45))
            off = folds.unit * 0.025
            at = (at[0] - math.cos(across) * off, at[1] - math.sin(across) * off)
            folds.stroke(at, across, float(rng.uniform(0.04, 0.08)), height)
    for _ in range(int(rng.integers(0, 3))):
        t = float(rng.uniform(0.0, 0.6))
        at = (root[0] + (middle[0] - root[0]) * t, root[1] + (middle[1] - root[1]) * t)
        folds.stroke(at, upper + float(rng.normal(0, 0.2)), float(rng.uniform(0.06, 0.16)), 0.3 + 0.4 * loose)

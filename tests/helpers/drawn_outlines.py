"""Outlines of product photographs with known landmarks: every kind of cut and of laying out, drawn as polygons.

KINDS      name → cut; each is drawn with a random size, shape and pose by `draw(name, seed)`
Outline    the mask, its landmarks, and which of them the outline shows: the end of a sleeve that is folded over the
           trunk is not on it

Units before scaling: half a shoulder's width is 1, y points down, (0, 0) is the middle between the shoulders.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.formats.images import Mask
from schemas import NUM_KEYPOINTS, Garment, Keypoint

XY = tuple[float, float]
SHOULDER, ELBOW, WRIST = Keypoint.LEFT_SHOULDER, Keypoint.LEFT_ELBOW, Keypoint.LEFT_WRIST
HIP, KNEE, ANKLE = Keypoint.LEFT_HIP, Keypoint.LEFT_KNEE, Keypoint.LEFT_ANKLE
WIDTH, HEIGHT = 384, 512


@dataclass
class Sketch:
    """Polygons, and the landmarks that belong to them."""

    garment: Garment
    polygons: list[list[XY]] = field(default_factory=list)
    marks: dict[Keypoint, XY] = field(default_factory=dict)
    hidden: set[Keypoint] = field(default_factory=set)


@dataclass(frozen=True)
class Outline:
    """A drawn mask and its truth."""

    mask: Mask
    points: NDArray[np.float64]
    """(17, 3): x, y and 1 for a landmark, else zeros"""
    shown: NDArray[np.bool_]
    """Which of the landmarks the outline shows"""
    garment: Garment


Rng = np.random.Generator
Arm = Callable[[Rng, int], tuple[float, float, float]]
"""(random, side) → length in half shoulders, angle of the upper arm from straight down, bend at the elbow; radians"""


def _slot(left: Keypoint, side: int) -> Keypoint:
    return left if side == 1 else left.mirrored


def _trunk(
    sketch: Sketch, rng: Rng, length: float, hem: float, *, belly: float = 0.0, waist: float | None = None,
    tilt: float = 0.0, strap: float | None = None, shoulders: tuple[int, ...] = (1, -1),
) -> None:  # fmt: skip
    """Add a trunk. ``strap`` is the half distance of straps, None for whole shoulders."""
    drop = float(rng.uniform(0.12, 0.25))
    dip = float(rng.uniform(0.2, 0.6))
    pit = float(rng.uniform(0.75, 1.0))
    sweep = float(rng.uniform(0.0, 0.12))
    dress, waisted = sketch.garment == "dress", waist is not None
    middle = float(rng.uniform(2.1, 2.6))
    narrow = (waist if waist is not None else (1.0 + hem) / 2) if dress else 0.0
    for side in (1, -1):
        bottom = length + side * tilt
        body: list[XY] = [(0.0, dip)]
        if side in shoulders and strap is None:
            body += [(side * 0.42, 0.0 - drop), (side * 1.0, 0.0), (side * 1.0, pit)]
            sketch.marks[_slot(SHOULDER, side)] = (side * 1.0, 0.0)
        elif side in shoulders:
            assert strap is not None
            wide = float(rng.uniform(0.06, 0.25))
            body += [(0.0, pit), (side * (strap - wide), pit - 0.1), (side * (strap - wide), 0.0), (side * strap, 0.0)]
            body += [(side * (strap + 0.02), pit * 0.6), (side * 1.0, pit)]
            sketch.marks[_slot(SHOULDER, side)] = (side * strap, 0.0)
        else:
            body += [(0.0, pit * 0.8), (side * 1.0, pit)]
        if dress:
            body += [(side * narrow, middle)]
        if belly:
            body += [(side * (1 + belly * share), pit + (length - pit) * at) for at, share in
                     ((0.25, 0.5), (0.45, 0.95), (0.55, 1.0), (0.7, 0.9), (0.85, 0.5))]  # fmt: skip
        corner = (side * hem, bottom)
        body += [corner, (side * hem / 2, bottom - side * tilt / 2 + sweep), (0.0, length + sweep)]
        sketch.polygons.append(body)
        if dress:
            between = (middle + bottom) / 2
            sketch.marks |= {_slot(HIP, side): (side * narrow, middle), _slot(ANKLE, side): corner}
            sketch.marks[_slot(KNEE, side)] = (side * (narrow + hem) / 2, between)
            if not waisted:
                sketch.hidden.add(_slot(HIP, side))
        else:
            sketch.marks[_slot(HIP, side)] = corner


def _sleeve(sketch: Sketch, rng: Rng, side: int, arm: tuple[float, float, float], *, long: bool) -> None:
    length, angle, bend = arm
    thick, cuff = float(rng.uniform(0.36, 0.45)), float(rng.uniform(0.2, 0.3))
    root = np.array((0.78, thick * 0.9))
    upper, lower = _away(angle), _away(angle + bend)
    if not long:
        end = root + length * upper
        _limb(sketch, side, [root, end], [thick, thick * 0.85])
        sketch.marks[_slot(ELBOW, side)] = (side * end[0], end[1])
        return
    elbow = root + length / 2 * upper
    end = elbow + length / 2 * lower
    _limb(sketch, side, [root, elbow, end], [thick, (thick + cuff) / 2, cuff])
    # A hanging sleeve covers a short top's hem.
    if cv2.pointPolygonTest(np.array(sketch.polygons[-1], np.float32), sketch.marks[_slot(HIP, side)], False) >= 0:
        sketch.hidden.add(_slot(HIP, side))
    sketch.marks |= {_slot(ELBOW, side): (side * elbow[0], elbow[1]), _slot(WRIST, side): (side * end[0], end[1])}


def _away(angle: float) -> NDArray[np.float64]:
    return np.array((np.sin(angle), np.cos(angle)))


def _limb(sketch: Sketch, side: int, path: list[NDArray[np.float64]], half: list[float]) -> None:
    left: list[XY] = []
    right: list[XY] = []
    for index, (place, wide) in enumerate(zip(path, half, strict=True)):
        before, after = path[max(0, index - 1)], path[min(len(path) - 1, index + 1)]
        along = (after - before) / np.hypot(*(after - before))
        across = np.array((along[1], -along[0])) * wide
        left.append((side * float((place + across)[0]), float((place + across)[1])))
        right.append((side * float((place - across)[0]), float((place - across)[1])))
    sketch.polygons.append([*left, *right[::-1]])


def _top(
    garment: Garment, length: tuple[float, float], hem: tuple[float, float], arm: Arm | None = None, *,
    long: bool = True, belly: bool = False, hood: bool = False, strap: bool = False, one: bool = False,
    tilt: float = 0.0, waisted: bool = False, hidden: bool = False,
) -> Callable[[Rng], Sketch]:  # fmt: skip
    def make(rng: Rng) -> Sketch:
        sketch = Sketch(garment)
        own = int(rng.choice((1, -1)))
        _trunk(
            sketch, rng, float(rng.uniform(*length)), float(rng.uniform(*hem)),
            belly=float(rng.uniform(0.2, 0.5)) if belly else 0.0,
            waist=float(rng.uniform(0.7, 0.85)) if waisted else None,
            tilt=own * float(rng.uniform(0.5, 1.0)) * tilt,
            strap=float(rng.uniform(0.5, 0.75)) if strap else None,
            shoulders=(own,) if one else (1, -1),
        )  # fmt: skip
        if hood:
            sketch.polygons.append([(-0.75, 0.3), (-0.7, -0.6), (-0.4, -1.0), (0.4, -1.0), (0.7, -0.6), (0.75, 0.3)])
        for side in ((own,) if one else (1, -1)) if arm else ():
            assert arm is not None
            _sleeve(sketch, rng, side, arm(rng, side), long=long)
            if hidden:
                sketch.hidden |= {_slot(ELBOW, side), _slot(WRIST, side)}
        return sketch

    return make


def _arm(length: tuple[float, float], angle: tuple[float, float], bend: tuple[float, float] = (0, 0)) -> Arm:
    """Each sleeve has its own angle, near the other's."""
    return lambda rng, _: (float(rng.uniform(*length)), np.deg2rad(rng.uniform(*angle)), np.deg2rad(rng.uniform(*bend)))


def _skirt(length: tuple[float, float], hem: tuple[float, float], tilt: float = 0.0) -> Callable[[Rng], Sketch]:
    def make(rng: Rng) -> Sketch:
        sketch = Sketch("lower")
        long, wide, sweep = float(rng.uniform(*length)), float(rng.uniform(*hem)), float(rng.uniform(0, 0.15))
        slope = float(rng.choice((1, -1)) * rng.uniform(0.5, 1)) * tilt
        for side in (1, -1):
            corner = (side * wide, long + side * slope)
            sketch.polygons.append(
                [(0, 0.03), (side, 0), (side * (1 + 0.75 * (wide - 1)), 0.55 * long), corner,
                 (side * wide / 2, long + side * slope / 2 + sweep), (0, long + sweep)]
            )  # fmt: skip
            sketch.marks[_slot(HIP, side)] = (side * 1.0, 0.0)
            if long > 3.8:
                sketch.marks |= {_slot(ANKLE, side): corner}
                half = corner[1] / 2
                at = half / (0.55 * long)
                sketch.marks[_slot(KNEE, side)] = (side * (1 + 0.75 * (wide - 1) * at), half)
            else:
                sketch.marks[_slot(KNEE, side)] = corner
        return sketch

    return make


def _legs(length: tuple[float, float], half: tuple[float, float], apart: tuple[float, float], *, crossed: bool = False):  # type: ignore[no-untyped-def]
    def make(rng: Rng) -> Sketch:
        sketch = Sketch("lower")
        long, wide, end = float(rng.uniform(*length)), float(rng.uniform(*half)), float(rng.uniform(*apart))
        crotch = float(rng.uniform(1.3, 1.7))
        for side in (1, -1):
            x = side * (-end if crossed else end + wide)
            sketch.polygons.append(
                [
                    (0, 0.03),
                    (side, 0),
                    (side * 1.15, 1.0),
                    (x + side * wide, long),
                    (x - side * wide, long),
                    (0, crotch),
                ]
            )
            sketch.marks[_slot(HIP, side)] = (side * 1.0, 0.0)
            if long < 3.8:
                sketch.marks[_slot(KNEE, side)] = (x, long)
                continue
            share = 0.57
            at = (share * long - 1.0) / (long - 1.0)
            outer = side * 1.15 + at * (x + side * wide - side * 1.15)
            low = (share * long - crotch) / (long - crotch)
            sketch.marks[_slot(KNEE, side)] = ((outer + low * (x - side * wide)) / 2, share * long)
            sketch.marks[_slot(ANKLE, side)] = (x, long)
            if crossed:
                sketch.hidden |= {_slot(KNEE, side), _slot(ANKLE, side)}
        return sketch

    return make


_SHORT, _LONG = _arm((0.6, 1.1), (35, 75)), (2.6, 3.6)
KINDS: Final[dict[str, Callable[[Rng], Sketch]]] = {
    "short sleeves": _top("upper", (2.8, 3.6), (0.9, 1.1), _SHORT, long=False),
    "long, hanging": _top("upper", (2.8, 3.6), (0.9, 1.05), _arm(_LONG, (14, 28), (-8, 4))),
    "long, spread": _top("upper", (2.8, 3.6), (0.9, 1.1), _arm(_LONG, (30, 88), (-10, 10))),
    "long, bent": _top("upper", (2.8, 3.6), (0.9, 1.1), _arm(_LONG, (35, 60), (-55, -30))),
    "folded sleeves": _top("upper", (2.8, 3.6), (0.9, 1.1), _arm(_LONG, (-30, -15), (-10, 0)), hidden=True),
    "crossed sleeves": _top("upper", (2.8, 3.6), (0.9, 1.1), _arm(_LONG, (4, 14), (-110, -80)), hidden=True),
    "sleeveless": _top("upper", (2.6, 3.6), (0.9, 1.1)),
    "straps": _top("upper", (2.4, 3.4), (0.9, 1.2), strap=True),
    "hood": _top("upper", (2.8, 3.6), (0.9, 1.1), _arm(_LONG, (16, 40), (-8, 4)), hood=True),
    "one shoulder": _top("upper", (2.6, 3.4), (0.9, 1.1), one=True),
    "one sleeve": _top("upper", (2.6, 3.4), (0.9, 1.1), _arm(_LONG, (16, 50), (-8, 4)), one=True),
    "asymmetric hem": _top("upper", (2.8, 3.6), (0.9, 1.1), _SHORT, long=False, tilt=0.5),
    "maternity": _top("upper", (3.2, 3.8), (0.95, 1.2), _SHORT, long=False, belly=True),
    "wide": _top("upper", (2.0, 2.6), (1.2, 1.5), _arm((0.6, 1.0), (55, 85)), long=False),
    "cropped": _top("upper", (1.5, 2.0), (0.85, 1.1), _SHORT, long=False),
    "cropped, long sleeves": _top("upper", (1.5, 2.0), (0.85, 1.1), _arm(_LONG, (14, 45), (-8, 4))),
    "coat": _top("upper", (4.2, 5.8), (1.0, 1.35), _arm(_LONG, (14, 30), (-8, 4))),
    "dress, straight": _top("dress", (5.0, 6.5), (0.95, 1.1), _SHORT, long=False, waisted=True),
    "dress, A-line": _top("dress", (4.6, 6.0), (1.4, 2.2), waisted=True),
    "dress, waistless": _top("dress", (4.6, 6.0), (1.2, 1.8)),
    "dress, long sleeves": _top("dress", (4.6, 6.0), (1.2, 1.7), _arm(_LONG, (20, 40), (-8, 4)), waisted=True),
    "dress, straps, maxi": _top("dress", (6.5, 7.5), (1.2, 1.8), strap=True, waisted=True),
    "dress, mini": _top("dress", (3.8, 4.4), (1.0, 1.3), _SHORT, long=False, waisted=True),
    "skirt, mini": _skirt((1.6, 2.4), (1.05, 1.3)),
    "skirt, maxi": _skirt((4.6, 6.0), (1.2, 2.0)),
    "skirt, A-line": _skirt((2.4, 3.2), (1.5, 2.4)),
    "skirt, pencil": _skirt((2.8, 3.4), (0.9, 1.15)),
    "skirt, asymmetric": _skirt((2.6, 3.2), (1.1, 1.6), tilt=0.6),
    "trousers": _legs((5.2, 6.2), (0.35, 0.5), (0.05, 0.45)),
    "wide legs": _legs((5.0, 6.0), (0.65, 0.9), (0.05, 0.3)),
    "shorts": _legs((2.2, 3.0), (0.55, 0.75), (0.05, 0.25)),
    "crossed legs": _legs((5.2, 6.2), (0.35, 0.45), (0.25, 0.6), crossed=True),
}


def draw(name: str, seed: int, *, scale: int = 1) -> Outline:
    """Draw a garment of the kind ``name``, laid out slightly crooked, off the centre and with uneven edges."""
    rng = np.random.default_rng([seed, list(KINDS).index(name)])
    sketch = KINDS[name](rng)
    corners = np.array([place for polygon in sketch.polygons for place in polygon])
    angle = np.deg2rad(rng.uniform(-6, 6))
    turn = np.array(((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))))
    turned = corners @ turn.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    unit = float((np.array((WIDTH, HEIGHT)) * scale * rng.uniform(0.75, 0.92) / (high - low)).min())
    free = np.array((WIDTH, HEIGHT)) * scale - unit * (high - low)
    offset = free * rng.uniform(0.2, 0.8, 2) - unit * low

    def placed(places: NDArray[np.float64]) -> NDArray[np.float64]:
        moved: NDArray[np.float64] = (places @ turn.T) * unit + offset
        return moved

    canvas = np.zeros((HEIGHT * scale, WIDTH * scale), np.uint8)
    for polygon in sketch.polygons:
        cv2.fillPoly(canvas, [np.round(placed(np.array(polygon, float))).astype(np.int32)], 1)
    mask = _worn_edges(canvas, rng, scale)
    points, shown = np.zeros((NUM_KEYPOINTS, 3)), np.zeros(NUM_KEYPOINTS, np.bool_)
    for slot, place in sketch.marks.items():
        points[slot] = *placed(np.array([place]))[0], 1.0
        shown[slot] = slot not in sketch.hidden
    return Outline(mask, points, shown, sketch.garment)


def _worn_edges(canvas: NDArray[np.uint8], rng: Rng, scale: int) -> Mask:
    """Round the corners a little, make the edge jagged, and tear small holes and nicks into it."""
    blurred = cv2.GaussianBlur(rng.standard_normal(canvas.shape).astype(np.float32), (0, 0), 1.5 * scale)
    noise = np.asarray(blurred / blurred.std(), np.float32)
    soft = cv2.GaussianBlur(canvas.astype(np.float32), (0, 0), 2.0 * scale)
    mask = (soft + 0.12 * noise * (np.abs(soft - 0.5) < 0.45) > 0.5).astype(np.uint8)
    ys, xs = np.nonzero(mask)
    for _ in range(int(rng.integers(0, 4))):
        at = int(rng.integers(len(xs)))
        cv2.circle(mask, (int(xs[at]), int(ys[at])), int(rng.integers(1, 4)) * scale, 0, -1)
    return np.asarray(mask, np.bool_)

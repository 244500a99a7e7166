"""Shoulders and the ends of short sleeves: corners of the outline between neck, sleeve and armpit.

An arm is read as if it were at the right: x grows away from the trunk's centre, lengths are in half trunk widths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from preprocess.loading.outline.arcs import corners, resampled
from preprocess.loading.outline.notches import Notch
from preprocess.loading.outline.trunk import Trunk
from preprocess.loading.outline.upright import XY

LONG_SLEEVE: Final = 2.1
"""Least distance of a long sleeve's end from the shoulder, in half trunk widths."""
_NECK: Final = 0.1
"""Where an arm's outline starts, right of the trunk's centre."""
_COLLAR, _HOOD, _SET_IN = 0.65, 0.87, 1.3
"""In widths of the armpit: a notch nearer to the neck than the first lies below a collar, one nearer than the second
and far below the top below a hood; others, up to the third, are where a sleeve is set in."""
_HIGH: Final = 0.45
"""Least height of a hood."""
_BEND: Final = np.deg2rad(150)
"""Widest angle of such a notch."""
_OUTER: Final = 1.2
"""Length of a long sleeve's outer edge that is looked at."""
_FILLET: Final = 2
"""Points of the outline that a notch's rounded corner has."""
_HOODED: Final = 0.8
"""The same where a hood leaves little of the shoulder."""
_SAMPLES: Final = 48
"""Points at which a part of the outline is sampled."""
_SPARE: Final = 1.3
"""A corner that makes the fit better by less than this factor is none."""
_CUFF: Final = 0.3
"""Least width of a sleeve's end."""
_SQUARE: Final = np.deg2rad(35)
"""Least turn at a cuff's corners."""
_SHORTEST: Final = 0.35
"""Least distance of a sleeve's end from the shoulder."""
_SHARP: Final = 0.05
"""Least height of a shoulder's corner over the line from the neck to the notch below it, in shares of the line."""
_USUAL: Final = 0.01
"""Cost of a shoulder's squared distance from its usual place, which is above the armpit, against that of the fit."""

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Arm:
    """What the outline tells of a shoulder and its sleeve, in pixels of the canvas."""

    shoulder: XY
    cuff: XY | None
    """Middle of a short sleeve's end"""
    bend: float
    """How far the outline turns at the shoulder, radians; it tells little where that is small"""


@dataclass(frozen=True)
class Read:
    """The same in an arm's own units."""

    shoulder: Points
    cuff: Points | None
    bend: float


def arm_of(trunk: Trunk, side: int, upward: list[Notch]) -> Arm | None:
    """Read an arm, None if it is none. ``upward`` are the outline's notches that do not open downwards."""
    pit = trunk.pits[side]
    scale = np.array((side * trunk.half, trunk.half))
    origin = np.array((trunk.centre, pit.y))
    upright = np.array(((1.0, -trunk.lean), (0.0, 1.0))) / scale[:, None]
    points = (trunk.points - origin) @ upright.T
    back = np.linalg.inv(upright).T
    order = np.roll(np.arange(len(points)), -pit.index - 1)
    if side == -1:
        order = np.roll(np.arange(len(points))[::-1], pit.index)
    order = order[int(np.flatnonzero(points[order, 0] < _NECK)[-1]) + 1 :] if (points[:, 0] < _NECK).any() else order
    found = _read(points[order], [int(np.flatnonzero(order == notch.index)[0]) for notch in upward
                                  if notch.angle < _BEND and notch.index in order])  # fmt: skip
    if found is None:
        return None
    x, y = found.shoulder @ back + origin
    if found.cuff is None:
        return Arm((float(x), float(y)), None, found.bend)
    cuff = found.cuff @ back + origin
    return Arm((float(x), float(y)), (float(cuff[0]), float(cuff[1])), found.bend)


def _read(arc: Points, upward: list[int]) -> Read | None:
    """Return what is known from the outline between neck and armpit."""
    if len(arc) < 12:
        return None
    pit = arc[-1]
    beyond = np.flatnonzero(arc[:, 0] >= pit[0])
    if not len(beyond) or beyond[0] == 0:
        return None
    above = int(beyond[0])
    far = np.hypot(*(arc - arc[above]).T)
    tip = above + int(far[above:].argmax())
    long = bool(far[above:].max() > LONG_SLEEVE)
    start = int(arc[: above + 1, 1].argmin())
    top = float(arc[start, 1])
    necks = [index for index in upward if start < index < tip and arc[index, 0] < _HOOD * pit[0]
             and (arc[index, 0] < _COLLAR * pit[0] or arc[index, 1] - top > _HIGH)]  # fmt: skip
    start = min(max(necks, default=start - _FILLET) + _FILLET, above)
    sets = [index for index in upward if start < index < tip and _COLLAR * pit[0] <= arc[index, 0] < _SET_IN * pit[0]
            and arc[index, 1] < 0]  # fmt: skip
    if sets and (found := _set_in(arc, start, min(sets), long=long)):
        return found
    if long:
        away = np.flatnonzero(far[above:] > (_HOODED if necks else _OUTER))
        part = resampled(arc[start : above + int(away[0]) + 1] if len(away) else arc[start:], _SAMPLES)
        (first,), _ = corners(part, 1, _prior(part, arc[above], 1))
        return Read(part[first], None, _turn(part[first] - part[0], part[-1] - part[first]))
    part = resampled(arc[start:], _SAMPLES)
    (first, *cuff), error = corners(part, 3, _prior(part, arc[above], 3))
    (other, outer), worse = corners(part, 2, _prior(part, arc[above], 2))
    if _is_spare(part[[first, *cuff, -1]], error, worse):
        first, cuff = other, [outer, len(part) - 1]
    bend = _turn(part[first] - part[0], part[cuff[0]] - part[first])
    return Read(part[first], part[cuff].mean(axis=0), bend)


def _is_spare(polygon: Points, error: float, worse: float) -> bool:
    """Return whether a sleeve's last corner is none: the end of a steep short sleeve reaches the armpit itself."""
    before, along, after = np.diff(polygon, axis=0)
    short = bool(np.hypot(*(polygon[-2] - polygon[-3])) < _CUFF)
    return short or worse < _SPARE * error or _turn(before, along) < _SQUARE or _turn(along, after) < _SQUARE


def _turn(one: Points, other: Points) -> float:
    """Return how far a line turns right at a corner, radians."""
    return float(np.arctan2(one[0] * other[1] - one[1] * other[0], one @ other))


def _set_in(arc: Points, start: int, notch: int, *, long: bool) -> Read | None:
    """Read an arm whose sleeve's outline starts at a notch: the shoulder is the corner before it."""
    chord = arc[notch] - arc[start]
    beside = (arc[start : notch + 1] - arc[start]) @ np.array((chord[1], -chord[0]))
    if beside.max() < _SHARP * np.hypot(*chord):
        return None
    shoulder = arc[start + int(beside.argmax())]
    if long:
        return Read(shoulder, None, np.pi / 2)
    part = resampled(arc[notch:], _SAMPLES)
    near = np.where(np.hypot(*(part - part[0]).T) < _SHORTEST, np.inf, 0.0)
    cuff, error = corners(part, 2, np.stack([near, near]))
    (outer,), worse = corners(part, 1, near[None])
    if _is_spare(part[[0, *cuff, -1]], error, worse):
        cuff = [outer, len(part) - 1]
    return Read(shoulder, part[cuff].mean(axis=0), np.pi / 2)


def _prior(part: Points, usual: Points, count: int) -> Points:
    costs = np.zeros((count, len(part)))
    costs[1:] = np.where(np.hypot(*(part - usual).T) < _SHORTEST, np.inf, 0.0)
    costs[0] = _USUAL * len(part) * ((part - usual) ** 2).sum(axis=1)
    return costs

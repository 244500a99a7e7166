"""Shoulders and the ends of short sleeves: corners of the outline between neck, sleeve and armpit.

An arm is read as if it were at the right: x grows away from the trunk's centre, lengths are in half trunk widths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from preprocess.loading.outline.arcs import chord_errors, corners, first_corner_costs, resampled
from preprocess.loading.outline.notches import Notch
from preprocess.loading.outline.trunk import Trunk
from preprocess.loading.outline.upright import XY

LONG_SLEEVE: Final = 2.1
"""Least distance of a long sleeve's end from the shoulder, in half trunk widths."""
_NECK: Final = 0.1
"""Where an arm's outline starts, right of the trunk's centre."""
_COLLAR, _HOODED_NECK, _SET_IN = 0.65, 0.87, 1.3
"""In widths of the armpit: a notch nearer to the neck than the first lies below a collar, one nearer than the second
and far below the top below a hood; others, up to the third, are where a sleeve is set in."""
_STUB: Final = 0.12
"""Least way outwards from a neck's notch to that of a set-in sleeve."""
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
_ROUNDED, _HALVED = 60.0, 0.5
"""A sleeve whose outer edge is round has one more corner: least error without it, in squared pixels, and the share of
that with it at most."""
_CUFF: Final = 0.3
"""Least width of a sleeve's end."""
_SQUARE: Final = np.deg2rad(35)
"""Least turn at a cuff's corners,"""
_CUT_OFF: Final = np.deg2rad(28)
"""and at the inner one of a sleeve with a round edge."""
_SHORTEST: Final = 0.35
"""Least distance of a sleeve's end from the shoulder."""
_SHARP, _SETTING, _INWARDS = 0.12, np.deg2rad(40), 0.3
"""A shoulder's corner above a set-in sleeve: least height over the line from the neck to the notch below it, as a
share of that line; least turn; and how far back the way down to the notch goes at most, as a share of it. A nick in a
straight shoulder is none."""
_USUAL: Final = 0.01
"""Cost of a shoulder's squared distance from its usual place, which is above the armpit, against that of the fit."""
_MIRRORED: Final = _SAMPLES * 0.05
"""The same of the squared distance between one shoulder and the other's mirror image."""

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Arm:
    """What the outline tells of a shoulder and its sleeve, in pixels of the canvas."""

    shoulder: XY
    cuff: XY | None
    """Middle of a short sleeve's end"""


@dataclass(frozen=True)
class _Options:
    """Where an arm's shoulder may be, in the arm's own units, and what each place costs."""

    places: Points
    """(n, 2)"""
    costs: NDArray[np.float64]
    """(n,): error of the fit with the shoulder there"""
    rest: Points
    """(m, 2): what the corners are sought in"""
    extra: NDArray[np.float64]
    """(count, m): costs of corners; none for a long sleeve"""

    def cuff(self, chosen: int) -> Points | None:
        """Return the middle of a short sleeve's end if the shoulder is at a place."""
        if not len(self.extra):
            return None
        extra = self.extra
        if self.places is self.rest:
            extra = extra.copy()
            extra[0, np.arange(len(self.rest)) != chosen] = np.inf
            (_, *cuff), _ = corners(self.rest, len(extra), extra)
        else:
            cuff, _ = corners(self.rest, len(extra), extra)
        ends = cuff[-2:] if len(cuff) > 1 else [*cuff, len(self.rest) - 1]
        middle: Points = self.rest[ends].mean(axis=0)
        return middle


@dataclass(frozen=True)
class _Side:
    """An arm's options, and its own units: canvas = own @ back + origin."""

    options: _Options
    back: Points
    origin: Points

    @property
    def places(self) -> Points:
        """Options in pixels of the canvas."""
        placed: Points = self.options.places @ self.back + self.origin
        return placed


def arms_of(trunk: Trunk, upward: list[Notch]) -> dict[int, Arm]:
    """Read the arms at a trunk's armpits, without those that are none.

    ``upward`` are the outline's notches that do not open downwards. Two shoulders are each other's mirror image: where
    one is a clear corner and sleeve and shoulder of the other are one straight line, the first tells the second.
    """
    sides = {side: found for side in trunk.pits if (found := _side(trunk, side, upward)) is not None}
    costs = {side: found.options.costs for side, found in sides.items()}
    if len(sides) == 2:
        away = trunk.mirrored(sides[-1].places)[None] - sides[1].places[:, None]
        both = costs[1][:, None] + costs[-1][None] + _MIRRORED * np.square(away / trunk.half).sum(axis=-1)
        costs = {1: both.min(axis=1), -1: both.min(axis=0)}
    return {side: _arm(found, costs[side]) for side, found in sides.items()}


def _arm(side: _Side, costs: NDArray[np.float64]) -> Arm:
    chosen = int(costs.argmin())
    x, y = side.places[chosen]
    cuff = side.options.cuff(chosen)
    if cuff is None:
        return Arm((float(x), float(y)), None)
    end, low = cuff @ side.back + side.origin
    return Arm((float(x), float(y)), (float(end), float(low)))


def _side(trunk: Trunk, side: int, upward: list[Notch]) -> _Side | None:
    """Return an arm's options, None if it is none."""
    pit = trunk.pits[side]
    scale = np.array((side * trunk.half, trunk.half))
    origin = np.array((trunk.centre, pit.y))
    upright = np.array(((1.0, -trunk.lean), (0.0, 1.0))) / scale[:, None]
    points = (trunk.points - origin) @ upright.T
    order = np.roll(np.arange(len(points)), -pit.index - 1)
    if side == -1:
        order = np.roll(np.arange(len(points))[::-1], pit.index)
    order = order[int(np.flatnonzero(points[order, 0] < _NECK)[-1]) + 1 :] if (points[:, 0] < _NECK).any() else order
    found = _read(points[order], [int(np.flatnonzero(order == notch.index)[0]) for notch in upward
                                  if notch.angle < _BEND and notch.index in order], trunk.half)  # fmt: skip
    return None if found is None else _Side(found, np.linalg.inv(upright).T, origin)


def _read(arc: Points, upward: list[int], half: float) -> _Options | None:
    """Return what is known from the outline between neck and armpit; ``half`` is the trunk's half width in pixels."""
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
    necks = [index for index in upward if start < index < tip and arc[index, 0] < _HOODED_NECK * pit[0]
             and (arc[index, 0] < _COLLAR * pit[0] or arc[index, 1] - top > _HIGH)]  # fmt: skip
    if found := _set_in(arc, _set_in_parts(arc, (start, tip), necks, upward), long=long):
        return found
    start = min(max(necks, default=start - _FILLET) + _FILLET, above)
    if long:
        away = np.flatnonzero(far[above:] > (_HOODED if necks else _OUTER))
        part = resampled(arc[start : above + int(away[0]) + 1] if len(away) else arc[start:], _SAMPLES)
        prior = _prior(part, arc[above], 1)
        return _Options(part, first_corner_costs(part, 1, prior), part, prior[:0])
    part = resampled(arc[start:], _SAMPLES)
    prior = _prior(part, arc[above], 3)
    cuffed, error = corners(part, 3, prior)
    rounded = np.stack([prior[0], np.zeros(_SAMPLES), *prior[1:]])
    if error * half * half > _ROUNDED:
        cornered, left = corners(part, 4, rounded)
        before, end, after = np.diff(part[[*cornered[1:], -1]], axis=0)
        cuffed_too = np.hypot(*end) > _CUFF and _turn(before, end) > _SQUARE and _turn(end, after) > _CUT_OFF
        if left < _HALVED * error and cuffed_too:
            return _Options(part.copy(), _between_bends(part, rounded), part, rounded)
    if _is_spare(part[[*cuffed, -1]], error, corners(part, 2, prior[:2])[1]):
        prior = prior[:2]
    return _Options(part, first_corner_costs(part, len(prior), prior), part, prior)


def _between_bends(part: Points, extra: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the costs of a round shoulder's places (n,), half way between the first two corners of four."""
    errors = chord_errors(part)
    rest = first_corner_costs(part, 3, extra[1:]) - errors[0]
    both = errors[0][:, None] + errors + rest[None]
    costs = np.full(len(part), np.inf)
    np.minimum.at(costs, np.add.outer(np.arange(len(part)), np.arange(len(part))) // 2, both)
    return costs


def _is_spare(polygon: Points, error: float, worse: float) -> bool:
    """Return whether a sleeve's last corner is none: the end of a steep short sleeve reaches the armpit itself."""
    before, along, after = np.diff(polygon, axis=0)
    short = bool(np.hypot(*(polygon[-2] - polygon[-3])) < _CUFF)
    return short or worse < _SPARE * error or _turn(before, along) < _SQUARE or _turn(along, after) < _SQUARE


def _turn(one: Points, other: Points) -> float:
    """Return how far a line turns right at a corner, radians."""
    return float(np.arctan2(one[0] * other[1] - one[1] * other[0], one @ other))


def _set_in_parts(arc: Points, ends: tuple[int, int], necks: list[int], upward: list[int]) -> list[tuple[int, int]]:
    """Return the parts of an arm's outline that may be a shoulder: from the neck to the notch of a set-in sleeve.

    ``ends`` are the highest point and the sleeve's end. What lies straight below a neck's notch is its own edge.
    """
    width = arc[-1, 0]
    parts = []
    for notch in upward:
        x, y = arc[notch]
        if ends[0] < notch < ends[1] and _COLLAR * width <= x < _SET_IN * width and y < 0:
            before = [index for index in necks if index < notch and arc[index, 0] < x - _STUB]
            if before or notch not in necks:
                start = min(max(before, default=ends[0] - _FILLET) + _FILLET, notch)
                parts.append((start, notch))
    return parts


def _set_in(arc: Points, parts: list[tuple[int, int]], *, long: bool) -> _Options | None:
    """Read an arm whose sleeve's outline starts at a notch: the shoulder is the corner before it."""
    best, notch, shoulders, costs = _SETTING, 0, arc[:0], np.zeros(0)
    for start, index in parts:
        part = resampled(arc[start : index + 1], _SAMPLES)
        fit = first_corner_costs(part, 1, np.zeros((1, _SAMPLES)))
        corner = part[int(fit.argmin())]
        turn, down = _turn(corner - part[0], part[-1] - corner), part[-1] - corner
        if turn > best and _height(part) > _SHARP and down[0] > -_INWARDS * np.hypot(*down):
            best, notch, shoulders, costs = turn, index, part, fit
    if not len(shoulders):
        return None
    part = resampled(arc[notch:], _SAMPLES)
    near = np.where(np.hypot(*(part - part[0]).T) < _SHORTEST, np.inf, 0.0)
    if long:
        return _Options(shoulders, costs, part, near[None][:0])
    cuff, error = corners(part, 2, np.stack([near, near]))
    _, worse = corners(part, 1, near[None])
    count = 1 if _is_spare(part[[0, *cuff, -1]], error, worse) else 2
    return _Options(shoulders, costs, part, np.stack([near] * count))


def _height(part: Points) -> float:
    """Return the height of a line's farthest point to the left of its chord, as a share of the chord."""
    chord = part[-1] - part[0]
    beside = (part - part[0]) @ np.array((chord[1], -chord[0]))
    return float(beside.max() / max(float(chord @ chord), 1e-9))


def _prior(part: Points, usual: Points, count: int) -> Points:
    costs = np.zeros((count, len(part)))
    costs[1:] = np.where(np.hypot(*(part - usual).T) < _SHORTEST, np.inf, 0.0)
    costs[0] = _USUAL * len(part) * ((part - usual) ** 2).sum(axis=1)
    return costs

"""The joints of a person in a pose, in the body's coordinates (fractions of the height)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from preprocess.synthetic.drawing.solids import Profile
from preprocess.synthetic.drawing.view import HIP, Point
from preprocess.synthetic.people.person import Person
from preprocess.synthetic.people.pose import Arm, Pose

UPPER_ARM: Final = 0.168
FOREARM: Final = 0.148
HAND: Final = 0.082
THIGH: Final = 0.235
SHIN: Final = 0.218
SHOULDER_Y: Final = 0.219

Side = Literal[1, -1]
"""1 is the wearer's left, -1 the right."""
SIDES: Final[tuple[Side, Side]] = (1, -1)


@dataclass(frozen=True)
class Limb:
    """Three joints and an end: shoulder, elbow, wrist, finger tips; or hip, knee, ankle, toes."""

    root: Point
    middle: Point
    end: Point
    tip: Point

    @property
    def length(self) -> float:
        """From the root to the end joint."""
        return math.dist(self.root, self.middle) + math.dist(self.middle, self.end)

    def until(self, length: float) -> list[Point]:
        """Return the points of the limb from its root up to a length along it, at most the end joint."""
        upper = math.dist(self.root, self.middle)
        if length <= upper:
            return [self.root, _between(self.root, self.middle, length / upper)]
        lower = math.dist(self.middle, self.end)
        return [self.root, self.middle, _between(self.middle, self.end, min((length - upper) / lower, 1.0))]


@dataclass(frozen=True)
class Skeleton:
    """Positions of the limbs and sizes of the trunk."""

    arms: dict[Side, Limb]
    legs: dict[Side, Limb]
    trunk: Profile
    girth: float = 1.0
    """Thickness of the limbs, 1 = average"""


def _between(one: Point, other: Point, t: float) -> Point:
    return (
        one[0] + (other[0] - one[0]) * t,
        one[1] + (other[1] - one[1]) * t,
        one[2] + (other[2] - one[2]) * t,
    )


def _reach(start: Point, side: Side, out: float, fore: float, length: float) -> Point:
    """Return the point ``length`` away, downwards except for two angles of rotation."""
    return (
        start[0] + side * math.sin(out) * math.cos(fore) * length,
        start[1] + math.cos(out) * math.cos(fore) * length,
        start[2] + math.sin(fore) * length,
    )


def _arm(person: Person, arm: Arm, side: Side) -> Limb:
    root = (side * 0.100 * person.shoulders, SHOULDER_Y, -0.006)
    middle = _reach(root, side, arm.out, arm.fore, UPPER_ARM)
    if arm.hold in ("crossed", "pocket", "behind"):
        return _aimed_arm(person, arm, side, root, middle)
    if arm.hold in ("hip", "across"):
        target: Point = (side * 0.108 * person.hips, 0.440, 0.030) if arm.hold == "hip" else (side * -0.02, 0.35, 0.11)
        end = _between(middle, target, FOREARM / math.dist(middle, target))
        heading = (end[0] - side * 0.016, end[1] + 0.06, end[2] + 0.035) if arm.hold == "hip" else target
        if arm.hold == "across":
            heading = _between(middle, target, 2.0)
        tip = _between(end, heading, HAND / math.dist(end, heading))
    else:
        end = _reach(middle, side, arm.forearm_out, arm.forearm_fore, FOREARM)
        tip = _reach(end, side, arm.forearm_out * 0.5, arm.forearm_fore, HAND)
    return Limb(root, middle, end, tip)


def _aimed_arm(person: Person, arm: Arm, side: Side, root: Point, middle: Point) -> Limb:
    """Return an arm of the varied set whose forearm aims at a place of the body."""
    targets: dict[str, Point] = {
        "crossed": (-side * 0.075, 0.335 + arm.forearm_out, arm.forearm_fore + 0.8 * person.bust),
        "pocket": (side * 0.112 * person.hips, 0.478, 0.034),
        "behind": (side * 0.015, 0.455, -0.115),
    }
    target = targets[arm.hold]
    end = _between(middle, target, FOREARM / math.dist(middle, target))
    tip = _between(middle, target, (FOREARM + HAND) / math.dist(middle, target))
    return Limb(root, middle, end, tip)


def _leg(person: Person, spread: float, bend: float, side: Side) -> Limb:
    root = (side * 0.050 * person.hips, HIP, 0.0)
    middle = _reach(root, side, spread, bend, THIGH)
    end = _reach(middle, side, spread * 0.7, -bend, SHIN)
    tip = (end[0] + side * 0.030, 0.984, end[2] + 0.088)
    return Limb(root, middle, end, tip)


def _trunk(person: Person) -> Profile:
    s, w, h = person.shoulders, person.waist, person.hips
    bust, belly = person.bust, person.belly
    return Profile((
        (0.155, 0.028, 0.025, -0.008), (0.166, 0.039, 0.033, -0.008), (0.178, 0.073 * s, 0.046, -0.010),
        (0.188, 0.096 * s, 0.052, -0.010), (0.206, 0.108 * s, 0.060, -0.006), (0.255, 0.101 * s, 0.068 + bust, 0.002),
        (0.300, 0.092 * (s + w) / 2, 0.066 + bust, 0.004), (0.385, 0.078 * w, 0.055 + belly, 0.0),
        (0.450, 0.091 * (w + h) / 2, 0.062 + belly, -0.004), (0.500, 0.101 * h, 0.070, -0.009),
        (0.545, 0.100 * h, 0.068, -0.008),
    ))  # fmt: skip


def skeleton(person: Person, pose: Pose) -> Skeleton:
    """Return the joints of a person in a pose."""
    arms: dict[Side, Limb] = {1: _arm(person, pose.left, 1), -1: _arm(person, pose.right, -1)}
    legs: dict[Side, Limb] = {
        1: _leg(person, pose.stance[0], pose.knees[0], 1),
        -1: _leg(person, pose.stance[1], pose.knees[1], -1),
    }
    return Skeleton(arms, legs, _trunk(person), person.girth)

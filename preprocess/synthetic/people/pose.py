"""A synthetic pose: arms, legs and body, and the turntable's frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np

from preprocess.synthetic.drawing.palette import RGB, STUDIO
from preprocess.synthetic.photography.photograph import Photograph

ArmHold = Literal["hanging", "hip", "bent", "raised", "across", "crossed", "pocket", "behind"]
ARM_HOLDS: Final[tuple[ArmHold, ...]] = get_args(ArmHold)[:5]
"""Those of the easy set"""
FRAMES: Final[dict[str, float]] = {"000": 0.0, "044": 40.0, "088": 90.0, "132": 168.0}
"""A look's turntable frames and the rotation of each, in degrees; 132 shows the back."""


@dataclass(frozen=True)
class Arm:
    """How one arm is held. Angles in radians; ``out`` is away from the body, ``fore`` is to the front."""

    hold: ArmHold
    out: float
    """Of the upper arm, 0 = hanging"""
    fore: float
    forearm_out: float
    """Of the forearm; an arm that aims at the body ignores it, of a crossed one it is the height of the wrist, added"""
    forearm_fore: float
    """Of a crossed arm the distance of the wrist before the body"""


@dataclass(frozen=True)
class Wear:
    """How a person of the varied set wears clothes, whatever they are."""

    hem: float
    """Added to where a top ends, fraction of the height"""
    rolled: float
    """Length that sleeves have on this person, 1 = their own"""
    tucked: bool
    """Whether a top is worn in trousers or skirt"""


@dataclass(frozen=True)
class Pose:
    """How a person stands. Angles in radians."""

    seed: int
    left: Arm
    right: Arm
    lean: float
    """Sideways, -0.04..0.04"""
    stance: tuple[float, float]
    """Spread of the left and of the right leg, 0.02..0.11"""
    knees: tuple[float, float]
    """How far each knee is bent, 0..0.12"""
    turn: float
    """Added to every frame's yaw, degrees"""
    place: tuple[float, float]
    """Offset from the usual position, pixels"""
    studio: RGB
    """Colour of the background"""
    head_turn: float = 0.0
    """Of the head away from the chest, degrees; this and the following differ in the varied set only"""
    photograph: Photograph | None = None
    wear: Wear | None = None


def _arm(rng: np.random.Generator) -> Arm:
    hold = ARM_HOLDS[int(rng.choice(len(ARM_HOLDS), p=(0.44, 0.18, 0.14, 0.12, 0.12)))]
    ranges: dict[str, tuple[tuple[float, float], ...]] = {
        "hanging": ((0.10, 0.24), (-0.06, 0.06), (0.04, 0.16), (0.06, 0.26)),
        "hip": ((0.66, 0.82), (-0.22, -0.08), (0.0, 0.0), (0.0, 0.0)),
        "bent": ((0.10, 0.22), (-0.18, 0.02), (-0.12, 0.25), (0.7, 1.2)),
        "raised": ((0.42, 0.68), (-0.05, 0.15), (0.55, 0.95), (0.0, 0.4)),
        "across": ((0.12, 0.22), (0.02, 0.14), (0.0, 0.0), (0.0, 0.0)),
    }
    out, fore, forearm_out, forearm_fore = (round(float(rng.uniform(*span)), 4) for span in ranges[hold])
    return Arm(hold, out, fore, forearm_out, forearm_fore)


def pose(seed: int) -> Pose:
    """Return the pose of a seed; the same seed gives the same pose."""
    rng = np.random.default_rng([seed, 3])

    def between(low: float, high: float) -> float:
        return round(float(rng.uniform(low, high)), 4)

    return Pose(
        seed=seed,
        left=_arm(rng),
        right=_arm(rng),
        lean=between(-0.04, 0.04),
        stance=(between(0.02, 0.11), between(0.02, 0.11)),
        knees=(between(0.0, 0.12), between(0.0, 0.12)),
        turn=between(-7.0, 7.0),
        place=(between(-16.0, 16.0), between(-10.0, 10.0)),
        studio=STUDIO[int(rng.integers(len(STUDIO)))],
    )


def frame_yaw(pose: Pose, frame: str) -> float:
    """Return the turntable's rotation in a frame (a key of ``FRAMES``), degrees."""
    return FRAMES[frame] + pose.turn


def view_point(yaw_degrees: float) -> int:
    """Return the format's view for a rotation: 0 front, -1 side, 1 back."""
    turned = abs((yaw_degrees + 180.0) % 360.0 - 180.0)
    if turned <= 62.0:
        return 0
    return -1 if turned < 118.0 else 1

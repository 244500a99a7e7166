"""People and poses of the varied set, from one seed each: shapes, hair, holds of the arms, ways of wearing."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from preprocess.synthetic.people.person import Person, person
from preprocess.synthetic.people.pose import Arm, ArmHold, Pose, Wear, pose
from preprocess.synthetic.photography.photograph import of_person

Ranges = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
"""Of an arm's out, fore, forearm_out and forearm_fore, radians"""

CROSSED: Final = 0.12
"""Share of poses with crossed arms"""
_HOLDS: Final[dict[ArmHold, tuple[float, Ranges]]] = {
    "hanging": (0.36, ((0.06, 0.34), (-0.12, 0.12), (0.0, 0.25), (0.0, 0.4))),
    "hip": (0.16, ((0.55, 0.95), (-0.3, 0.0), (0.0, 0.0), (0.0, 0.0))),
    "bent": (0.11, ((0.05, 0.3), (-0.3, 0.1), (-0.2, 0.35), (0.5, 1.3))),
    "raised": (0.12, ((0.4, 1.7), (-0.1, 0.35), (0.5, 2.6), (-0.1, 0.6))),
    "across": (0.07, ((0.08, 0.26), (0.0, 0.2), (0.0, 0.0), (0.0, 0.0))),
    "pocket": (0.13, ((0.30, 0.52), (-0.34, -0.12), (0.0, 0.0), (0.0, 0.0))),
    "behind": (0.05, ((0.2, 0.4), (-0.45, -0.25), (0.0, 0.0), (0.0, 0.0))),
}


def varied_person(seed: int) -> Person:
    """Return the person of a seed in the varied set."""
    rng = np.random.default_rng([seed, 41])

    def between(low: float, high: float) -> float:
        return round(float(rng.uniform(low, high)), 4)

    usual = person(seed)
    weight = float(np.clip(rng.normal(0, 1), -1.8, 2.6))
    long = usual.style == "long" or (usual.style != "afro" and rng.random() < 0.25)
    fronts = (between(0.0, 0.75), between(0.0, 0.75)) if rng.random() < 0.7 else (0.0, 0.0)
    return replace(
        usual,
        height=between(0.90, 1.05),
        shoulders=round(between(0.90, 1.10) + 0.025 * weight, 4),
        waist=round(between(0.88, 1.12) + 0.10 * weight, 4),
        hips=round(between(0.90, 1.10) + 0.06 * weight, 4),
        head=between(0.93, 1.06),
        style="long" if long else usual.style,
        girth=round(between(0.92, 1.08) + 0.055 * weight, 4),
        bust=round(max(0.0, float(rng.normal(0.004, 0.008))), 4),
        belly=round(max(-0.004, 0.008 * weight + float(rng.normal(0, 0.004))), 4),
        hair_length=between(0.55, 1.75),
        hair_front=fronts if long else (0.0, 0.0),
    )


def varied_pose(seed: int) -> Pose:
    """Return the pose of a seed in the varied set, with how the look is worn and photographed."""
    rng = np.random.default_rng([seed, 42])

    def between(low: float, high: float) -> float:
        return round(float(rng.uniform(low, high)), 4)

    if rng.random() < CROSSED:
        left, right = _crossed(rng)
    else:
        left = _arm(rng)
        # Many people hold both arms alike.
        right = _arm(rng, left.hold) if rng.random() < 0.35 else _arm(rng)
    place = float(rng.random())
    head = rng.normal(0, 9) if place < 0.72 else rng.choice((-1, 1)) * rng.uniform(25, 72)
    return replace(
        pose(seed),
        left=left,
        right=right,
        lean=between(-0.08, 0.08),
        stance=(between(-0.01, 0.17), between(-0.01, 0.17)),
        knees=(between(0.0, 0.28), between(0.0, 0.16))
        if rng.random() < 0.5
        else (between(0.0, 0.1), between(0.0, 0.28)),
        turn=round(float(np.clip(rng.normal(0, 11), -24, 24)), 4),
        place=(0.0, 0.0),
        head_turn=round(float(head), 4),
        photograph=of_person(seed),
        wear=Wear(
            hem=round(float(rng.normal(0, 0.010)), 4),
            rolled=between(0.55, 0.85) if rng.random() < 0.14 else round(float(rng.uniform(0.94, 1.0)), 4),
            tucked=bool(rng.random() < 0.2),
        ),
    )


def _arm(rng: np.random.Generator, hold: ArmHold | None = None) -> Arm:
    holds = list(_HOLDS)
    chosen = hold or holds[int(rng.choice(len(holds), p=[_HOLDS[one][0] for one in holds]))]
    out, fore, forearm_out, forearm_fore = (round(float(rng.uniform(*span)), 4) for span in _HOLDS[chosen][1])
    return Arm(chosen, out, fore, forearm_out, forearm_fore)


def _crossed(rng: np.random.Generator) -> tuple[Arm, Arm]:
    """Return two arms crossed before the chest; which lies over the other is drawn."""
    over, under = (
        Arm("crossed", round(float(rng.uniform(0.0, 0.1)), 4), round(float(rng.uniform(0.16, 0.34)), 4), upper, ahead)
        for upper, ahead in ((round(float(rng.uniform(-0.035, -0.005)), 4), 0.135), (0.0, 0.105))
    )
    return (over, under) if rng.random() < 0.5 else (under, over)

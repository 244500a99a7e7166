"""A synthetic person: sizes, skin, hair and face, all derived from one seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np

from preprocess.synthetic.drawing.palette import EYES, HAIR, RGB, SHOES, SKIN

HairStyle = Literal["short", "bob", "long", "bun", "afro"]
HAIR_STYLES: Final[tuple[HairStyle, ...]] = get_args(HairStyle)


@dataclass(frozen=True)
class Person:
    """Attributes of a person. Sizes are factors of the average body's, 1 = average."""

    seed: int
    height: float
    """0.94..1.03"""
    shoulders: float
    """0.92..1.08"""
    waist: float
    """0.90..1.18"""
    hips: float
    """0.92..1.10"""
    head: float
    """0.97..1.04"""
    skin: RGB
    hair: RGB
    style: HairStyle
    eyes: RGB
    lips: float
    """Fullness of the mouth, 0..1."""
    brows: float
    """Thickness of the brows, 0..1."""
    jaw: float
    """Width of the jaw, 0.9..1.1"""
    shoes: RGB
    girth: float = 1.0
    """Thickness of arms and legs, 1 = average; this and the following differ in the varied set only"""
    bust: float = 0.0
    """Added to the chest's half-depth, fraction of the height"""
    belly: float = 0.0
    """Added to the waist's half-depth"""
    hair_length: float = 1.0
    """Length of long hair below the chin, 1 = to the shoulder blades"""
    hair_front: tuple[float, float] = (0.0, 0.0)
    """How far hair falls over the garment on the wearer's left and right, radians around the body"""


def person(seed: int) -> Person:
    """Return the person of a seed; the same seed gives the same person."""
    rng = np.random.default_rng([seed, 1])

    def between(low: float, high: float) -> float:
        return round(float(rng.uniform(low, high)), 4)

    skin = int(rng.integers(len(SKIN)))
    dark = skin >= 4  # light hair looks painted on dark skin
    styles = HAIR_STYLES if skin >= 2 else HAIR_STYLES[:4]
    return Person(
        seed=seed,
        height=between(0.94, 1.03),
        shoulders=between(0.92, 1.08),
        waist=between(0.90, 1.18),
        hips=between(0.92, 1.10),
        head=between(0.97, 1.04),
        skin=SKIN[skin],
        hair=HAIR[int(rng.integers(3 if dark else len(HAIR)))],
        style=styles[int(rng.integers(len(styles)))],
        eyes=EYES[int(rng.integers(2 if dark else len(EYES)))],
        lips=between(0.0, 1.0),
        brows=between(0.0, 1.0),
        jaw=between(0.9, 1.1),
        shoes=SHOES[int(rng.integers(len(SHOES)))],
    )

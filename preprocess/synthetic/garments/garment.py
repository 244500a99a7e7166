"""A synthetic garment: cut, colours, pattern and print, all derived from one seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np

from preprocess.synthetic.drawing.palette import CLOTH, LOWER, RGB, contrasting
from preprocess.synthetic.garments.cut import Cut
from preprocess.synthetic.garments.textile import Textile
from preprocess.synthetic.photography.photograph import Photograph

Kind = Literal["top", "outer", "dress", "trousers", "shorts", "skirt"]
Slot = Literal["upper", "outer", "dress", "lower"]
Sleeve = Literal["none", "short", "long"]
Neck = Literal["crew", "v"]
Pattern = Literal["plain", "rows", "columns", "checks", "dots", "block"]
Print = Literal["none", "star", "heart", "circle", "letter", "bars"]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
PRINTS: Final[tuple[Print, ...]] = get_args(Print)[1:]
SLOTS: Final[dict[Kind, Slot]] = {
    "top": "upper", "outer": "outer", "dress": "dress", "trousers": "lower", "shorts": "lower", "skirt": "lower",
}  # fmt: skip
HEMS: Final[dict[Kind, tuple[tuple[float, float], ...]]] = {
    "top": ((0.475, 0.49), (0.515, 0.545)),
    "outer": ((0.50, 0.53), (0.62, 0.68)),
    "dress": ((0.64, 0.68), (0.80, 0.86)),
    "trousers": ((0.955, 0.965),),
    "shorts": ((0.63, 0.68),),
    "skirt": ((0.62, 0.67), (0.80, 0.88)),
}
"""Where a garment of a kind may end, as ranges of the wearer's height measured from the crown."""


@dataclass(frozen=True)
class ProductStyle:
    """How a garment of the varied set lies or hangs in its product image. Angles in radians."""

    photograph: Photograph
    spread: float
    """Of the sleeves away from the trunk"""
    forearm: float
    """Added to it below the elbow"""
    stance: float
    """Spread of trouser legs"""
    folds: float
    """Strength of folds, 0..1"""


@dataclass(frozen=True)
class Garment:
    """A garment, drawn both worn and as a product. Lengths are fractions of the wearer's height."""

    seed: int
    kind: Kind
    sleeve: Sleeve
    neck: Neck
    hem: float
    """Where it ends below the crown, 0.47..0.97"""
    ease: float
    """Looseness, 0.03..0.12 of the body's width; with a cut, the garment's width beyond the average body's"""
    flare: float
    """Growth of a skirt's half-width per length, 0.05..0.4"""
    base: RGB
    second: RGB
    """Colour of stripes, dots and of another colour's sleeves"""
    ink: RGB
    """Colour of the print"""
    pattern: Pattern
    period: float
    """Period of the pattern"""
    print: Print
    print_size: float
    """Half the print's width"""
    trim: bool
    """Whether neck and cuffs have the second colour"""
    cut: Cut | None = None
    """In the varied set"""
    textile: Textile | None = None
    """In the varied set, in place of pattern and print"""
    product: ProductStyle | None = None
    """In the varied set"""

    @property
    def slot(self) -> Slot:
        """Slot in which it is worn."""
        return SLOTS[self.kind]

    @property
    def has_torso(self) -> bool:
        """Whether it covers the chest."""
        return self.slot != "lower"


def _pattern(rng: np.random.Generator, kind: Kind, sleeve: Sleeve) -> Pattern:
    if kind in ("trousers", "shorts"):
        choices: tuple[Pattern, ...] = ("plain", "plain", "plain", "plain", "columns", "checks")
    elif kind == "outer":
        choices = ("plain", "plain", "plain", "block", "checks", "columns")
    elif kind == "skirt":
        choices = ("plain", "plain", "rows", "columns", "checks", "dots")
    else:
        choices = ("plain", "plain", "rows", "rows", "columns", "checks", "dots", "block", "block")
    chosen = choices[int(rng.integers(len(choices)))]
    return "plain" if chosen == "block" and sleeve == "none" else chosen


def _sleeve(rng: np.random.Generator, kind: Kind) -> Sleeve:
    if kind == "outer":
        return "long"
    if kind not in ("top", "dress"):
        return "none"
    sleeves: tuple[Sleeve, ...] = ("none", "short", "short", "long", "long")
    return sleeves[int(rng.integers(len(sleeves)))]


def garment(seed: int, kind: Kind) -> Garment:
    """Return the garment of a seed and kind; the same two give the same garment."""
    rng = np.random.default_rng([seed, 2, KINDS.index(kind)])
    sleeve = _sleeve(rng, kind)
    pattern = _pattern(rng, kind, sleeve)
    colours = LOWER if SLOTS[kind] == "lower" else CLOTH
    base = colours[int(rng.integers(len(colours)))]
    second = contrasting(rng, CLOTH, (base,), 300.0)
    printed = kind in ("top", "dress") and pattern in ("plain", "block") and rng.random() < 0.62
    hems = HEMS[kind]
    low, high = hems[int(rng.integers(len(hems)))]
    flare = (0.12, 0.4) if rng.random() < 0.6 else (0.02, 0.08)
    return Garment(
        seed=seed,
        kind=kind,
        sleeve=sleeve,
        neck="v" if rng.random() < 0.35 else "crew",
        hem=round(float(rng.uniform(low, high)), 4),
        ease=round(float(rng.uniform(0.03, 0.12)), 4),
        flare=round(float(rng.uniform(*flare)), 4),
        base=base,
        second=second,
        ink=contrasting(rng, CLOTH, (base, second), 260.0),
        pattern=pattern,
        period=round(float(rng.uniform(0.072, 0.105)), 4),
        print=PRINTS[int(rng.integers(len(PRINTS)))] if printed else "none",
        print_size=round(float(rng.uniform(0.042, 0.054)), 4),
        trim=bool(rng.random() < 0.4),
    )

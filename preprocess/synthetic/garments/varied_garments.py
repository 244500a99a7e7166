"""Garments of the varied set: cuts, fits, cloths, prints and colours, many of them nearly alike, from one seed."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import cv2
import numpy as np

from preprocess.synthetic.drawing.palette import RGB, distance
from preprocess.synthetic.garments.artwork import MOTIFS, Artwork, Motif
from preprocess.synthetic.garments.cut import Cut, Detail
from preprocess.synthetic.garments.garment import (
    KINDS,
    SLOTS,
    Garment,
    Kind,
    Pattern,
    Print,
    ProductStyle,
    Sleeve,
    garment,
)
from preprocess.synthetic.garments.textile import WEAVES, Textile, Weave
from preprocess.synthetic.photography.photograph import of_product

_PLAIN: Final[dict[Weave, float]] = {"plain": 0.36, "heather": 0.07, "knit": 0.06, "ombre": 0.02}
_LOWER: Final[dict[Weave, float]] = {"plain": 0.42, "denim": 0.28, "heather": 0.06, "pinstripes": 0.06, "plaid": 0.06}
_REST: Final = 0.49, 0.12
"""Share of all other weaves, for upper and lower garments"""
_SHAPES: Final[dict[Weave, Pattern]] = {
    "rows": "rows", "breton": "rows", "columns": "columns", "pinstripes": "columns", "gingham": "checks",
    "plaid": "checks", "windowpane": "checks", "dots": "dots",
}  # fmt: skip
"""What the truth's list calls a weave; others are plain there."""
_PRINTS: Final[dict[Motif, Print]] = {
    "lettering": "letter", "logo": "circle", "emblem": "star", "picture": "heart", "stripe": "bars", "figure": "circle",
}  # fmt: skip
"""What the truth's list calls an artwork"""
_COMMON: Final[tuple[tuple[float, RGB, float], ...]] = (
    (0.17, (244, 243, 240), 5.0), (0.15, (30, 30, 34), 7.0), (0.09, (150, 152, 156), 26.0), (0.10, (34, 44, 78), 12.0),
    (0.06, (214, 196, 168), 14.0), (0.05, (96, 122, 160), 18.0),
)  # fmt: skip
"""(share, colour, spread) of what most people wear: white, black, grey, navy, beige, light blue"""


def varied_colour(rng: np.random.Generator) -> RGB:
    """Return a colour of cloth: often white, black, grey or navy, and never quite the same twice."""
    place = float(rng.random())
    for share, colour, spread in _COMMON:
        if place < share:
            level = rng.normal(0, spread)
            return _rgb([value + level + rng.normal(0, spread * 0.25) for value in colour])
        place -= share
    hue, deep, value = rng.uniform(0, 180), rng.beta(2.2, 1.6) * 235, rng.beta(2.4, 1.5) * 215 + 38
    pixel = np.array([[[hue, deep, value]]], np.uint8)
    return _rgb(cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].tolist())


def _rgb(values: list[float]) -> RGB:
    red, green, blue = (int(np.clip(round(value), 4, 252)) for value in values)
    return red, green, blue


def _other(rng: np.random.Generator, colour: RGB, least: float) -> RGB:
    """Return a colour that can be distinguished from another."""
    found = varied_colour(rng)
    for _ in range(12):
        if distance(found, colour) >= least:
            break
        found = varied_colour(rng)
    return found


def varied_garment(seed: int, kind: Kind) -> Garment:
    """Return the garment of a seed and kind in the varied set; the same two give the same garment."""
    rng = np.random.default_rng([seed, 33, KINDS.index(kind)])
    cut = _cut(rng, kind)
    textile = _textile(rng, seed, kind)
    sleeve: Sleeve = "none" if cut.sleeve_end == 0.0 else "short" if cut.sleeve_end < 0.16 else "long"
    fit = float(
        rng.choice((rng.uniform(-0.06, 0.06), rng.uniform(0.04, 0.2), rng.uniform(0.2, 0.5)), p=(0.3, 0.42, 0.28))
    )
    return replace(
        garment(seed, kind),
        sleeve=sleeve,
        neck="v" if rng.random() < 0.3 and not cut.high_neck else "crew",
        hem=round(_hem(rng, kind), 4),
        ease=round(fit, 4),
        flare=round(float(rng.uniform(0.02, 0.45)), 4),
        base=textile.colours[0],
        second=textile.colours[1],
        ink=textile.colours[2],
        pattern="block" if textile.sleeves and sleeve != "none" else _SHAPES.get(textile.weave, "plain"),
        period=round(0.192 / textile.repeats, 4),
        print=_PRINTS[textile.front.motif] if textile.front else "none",
        print_size=textile.front.size if textile.front else 0.05,
        trim=bool(rng.random() < 0.3),
        cut=cut,
        textile=textile,
        product=ProductStyle(
            photograph=of_product(seed),
            spread=round(float(rng.uniform(0.12, 0.5) if rng.random() < 0.6 else rng.uniform(0.5, 1.05)), 4),
            forearm=round(float(rng.normal(0, 0.16)), 4),
            stance=round(float(rng.uniform(0.02, 0.13)), 4),
            folds=round(float(rng.uniform(0.15, 0.8)), 4),
        ),
    )


def _cut(rng: np.random.Generator, kind: Kind) -> Cut:
    ends = ((0.0, 0.0), (0.05, 0.09), (0.09, 0.125), (0.13, 0.18), (0.2, 0.27), (0.29, 0.318))
    shares = (0.0, 0.0, 0.0, 0.0, 0.12, 0.88) if kind == "outer" else (0.16, 0.07, 0.3, 0.1, 0.1, 0.27)
    low, high = ends[int(rng.choice(len(ends), p=shares))]
    wide = float(rng.uniform(1.02, 1.2) if rng.random() < 0.5 else rng.uniform(1.2, 1.75))
    half = float(rng.uniform(0.036, 0.062))
    high_neck = kind != "outer" and rng.random() < 0.1
    details: list[Detail] = []
    if kind in ("top", "dress") and not high_neck:
        styles: tuple[tuple[Detail, ...], ...] = ((), ("buttons", "collar"), ("buttons", "collar", "pocket"),
                                                  ("pocket",), ("pouch",), ("zip",), ("collar",))  # fmt: skip
        details += styles[int(rng.choice(len(styles), p=(0.6, 0.12, 0.06, 0.08, 0.05, 0.03, 0.06)))]
    return Cut(
        slack=round(float(rng.beta(1.2, 1.2)), 4),
        sleeve_end=round(float(rng.uniform(low, high)), 4) if kind in ("top", "dress", "outer") else 0.0,
        sleeve_wide=round(wide, 4),
        cuff=round(float(rng.uniform(0.72, 1.0) if rng.random() < 0.65 else rng.uniform(1.0, 1.4)), 4),
        neck=(
            round(half, 4),
            round(float(rng.choice((rng.uniform(0.02, 0.045), rng.uniform(0.045, 0.105)), p=(0.65, 0.35))), 4),
        ),
        high_neck=high_neck,
        leg_wide=round(float(rng.uniform(0.98, 1.15) if rng.random() < 0.4 else rng.uniform(1.15, 1.75)), 4),
        leg_end=round(float(rng.uniform(0.7, 1.0) if rng.random() < 0.6 else rng.uniform(1.0, 1.35)), 4),
        details=tuple(details),
    )


def _hem(rng: np.random.Generator, kind: Kind) -> float:
    spans = {"top": (0.452, 0.575), "outer": (0.45, 0.74), "dress": (0.60, 0.92), "trousers": (0.85, 0.97),
             "shorts": (0.575, 0.71), "skirt": (0.58, 0.90)}  # fmt: skip
    return float(rng.uniform(*spans[kind]))


def _textile(rng: np.random.Generator, seed: int, kind: Kind) -> Textile:
    lower = SLOTS[kind] == "lower"
    usual, rest = (_LOWER, _REST[1]) if lower else (_PLAIN, _REST[0])
    others = [weave for weave in WEAVES if weave not in usual]
    shares = [usual.get(weave, rest / len(others)) for weave in WEAVES]
    weave = WEAVES[int(rng.choice(len(WEAVES), p=np.asarray(shares) / sum(shares)))]
    base = varied_colour(rng)
    if weave == "denim":
        level = float(rng.uniform(0.35, 1.5))
        base = _rgb([62 * level, 84 * level, 118 * level])
    second = _other(rng, base, float(rng.uniform(60, 320)))
    third = _other(rng, base, 220.0)
    large, fine = (1, 4) if weave in ("floral", "scatter", "camouflage") else (1, 5), (4, 24)
    low, high = large if rng.random() < 0.5 else fine
    if weave in ("floral", "scatter", "camouflage"):
        high = min(high, 9)
    quiet = weave in usual or rng.random() < 0.08
    front = _artwork(rng, base) if kind in ("top", "dress", "outer") and quiet and rng.random() < 0.55 else None
    if kind == "outer" and front is not None and front.size > 0.02:
        front = None  # an outer garment is open in front
    return Textile(
        seed=seed,
        weave=weave,
        colours=(base, second, third),
        repeats=int(rng.integers(low, high)),
        sleeves=bool(rng.random() < 0.1),
        front=front,
        back=_artwork(rng, base) if front is not None and rng.random() < 0.3 else None,
    )


def _artwork(rng: np.random.Generator, base: RGB) -> Artwork:
    motif = MOTIFS[int(rng.choice(len(MOTIFS), p=(0.3, 0.2, 0.15, 0.14, 0.08, 0.13)))]
    inks = (_other(rng, base, 180.0), _other(rng, base, 120.0), _other(rng, base, 220.0))
    size, place = float(rng.uniform(0.032, 0.068)), (float(rng.normal(0, 0.004)), float(rng.uniform(0.262, 0.325)))
    if motif == "logo" or (motif in ("emblem", "lettering") and rng.random() < 0.25):
        size, place = (
            float(rng.uniform(0.008, 0.018)),
            (float(rng.choice((0.042, 0.0, -0.042), p=(0.7, 0.2, 0.1))), 0.262),
        )
    return Artwork(int(rng.integers(1 << 30)), motif, round(size, 4), (round(place[0], 4), round(place[1], 4)), inks)

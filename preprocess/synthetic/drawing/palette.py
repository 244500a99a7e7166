"""Colours, as RGB in 0..255: strong ones for cloth, natural ones for skin and hair."""

from __future__ import annotations

from typing import Final

import numpy as np

RGB = tuple[int, int, int]

CLOTH: Final[tuple[RGB, ...]] = (
    (206, 38, 50), (236, 106, 32), (247, 196, 40), (44, 150, 78), (22, 96, 84), (38, 164, 190), (36, 94, 196),
    (28, 42, 98), (118, 62, 168), (226, 82, 148), (140, 30, 62), (246, 243, 234), (34, 34, 40), (148, 150, 156),
    (134, 88, 54), (216, 190, 148), (150, 196, 74), (246, 164, 160),
)  # fmt: skip
"""Colours of garments, easily distinguished from each other."""

LOWER: Final[tuple[RGB, ...]] = (
    (36, 38, 46), (40, 62, 112), (92, 128, 172), (222, 206, 174), (120, 84, 56), (96, 104, 64), (238, 236, 230),
    (126, 128, 134), (150, 36, 52), (38, 112, 98), (212, 158, 46), (98, 62, 132),
)  # fmt: skip
"""Colours of trousers, shorts and skirts."""

SKIN: Final[tuple[RGB, ...]] = (
    (247, 214, 190), (240, 198, 166), (226, 178, 140), (204, 150, 110), (172, 118, 82), (132, 86, 58), (96, 62, 44),
)  # fmt: skip

HAIR: Final[tuple[RGB, ...]] = (
    (30, 26, 26), (58, 38, 28), (96, 60, 36), (140, 90, 48), (204, 164, 98), (166, 72, 36), (150, 148, 148),
)  # fmt: skip

SHOES: Final[tuple[RGB, ...]] = ((38, 38, 42), (236, 234, 230), (112, 70, 44), (150, 150, 154), (170, 46, 46))

EYES: Final[tuple[RGB, ...]] = ((70, 44, 28), (54, 34, 26), (66, 104, 140), (74, 108, 72))

STUDIO: Final[tuple[RGB, ...]] = ((236, 237, 240), (226, 226, 228), (239, 236, 231), (230, 234, 236), (240, 240, 240))


def distance(one: RGB, other: RGB) -> float:
    """Return the perceptual distance of two colours, 0 (same) to about 765."""
    weights = np.array([2.0, 4.0, 3.0])
    return float(np.sqrt((weights * np.subtract(one, other) ** 2).sum()))


def contrasting(rng: np.random.Generator, colours: tuple[RGB, ...], others: tuple[RGB, ...], least: float) -> RGB:
    """Return one of ``colours`` that is at least ``least`` away from all ``others``, or else the farthest one."""
    nearest = [min(distance(colour, other) for other in others) for colour in colours]
    good = [colour for colour, near in zip(colours, nearest, strict=True) if near >= least]
    if not good:
        return colours[int(np.argmax(nearest))]
    return good[int(rng.integers(len(good)))]

"""Appearance of a garment's cloth at every pixel of a surface: pattern, print, folds.

Product images and worn garments both use this module, so the two match.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from preprocess.synthetic.drawing.canvas import F32, as_colour
from preprocess.synthetic.drawing.solids import Surface
from preprocess.synthetic.drawing.view import HIP
from preprocess.synthetic.garments.cut import detail_tone
from preprocess.synthetic.garments.drape import Drape
from preprocess.synthetic.garments.garment import Garment
from preprocess.synthetic.garments.prints import print_cover
from preprocess.synthetic.garments.textile import Textile, textile_colour

Part = Literal["body", "sleeve", "leg"]
GIRTH: Final[dict[Part, float]] = {"body": 0.092, "sleeve": 0.036, "leg": 0.055}
"""Radius, as a fraction of the height, that converts an angle around a part to a length of cloth."""
PRINT_Y: Final = 0.300
"""Height of the print's middle below the crown."""


def _wave(length: F32, period: float) -> F32:
    """Return 0..1 stripes with soft edges; half a period each."""
    wave: F32 = np.abs(np.mod(length / np.float32(period), 1.0) - np.float32(0.5)) - np.float32(0.25)
    stripes: F32 = np.clip(wave * np.float32(period * 0.7) + np.float32(0.5), 0.0, 1.0)
    return stripes


def _dots(across: F32, down: F32, period: float) -> F32:
    row = np.floor(down / np.float32(period))
    x = np.mod(across / np.float32(period) + 0.5 * np.mod(row, 2.0), 1.0) - 0.5
    y = np.mod(down / np.float32(period), 1.0) - 0.5
    dots: F32 = np.clip((0.33 - np.hypot(x, y)) * np.float32(period) + 0.5, 0.0, 1.0).astype(np.float32)
    return dots


def _pattern(garment: Garment, surface: Surface, part: Part, unit: float, shift: float) -> F32 | None:
    """Return the share of the second colour, 0..1, or None for a plain garment."""
    period = garment.period * unit
    if garment.pattern == "plain":
        return None
    if garment.pattern == "block":
        return np.ones_like(surface.cover) if part == "sleeve" else None
    # Lengths along legs start at the hip; the pattern continues that of the trunk.
    down = surface.down + np.float32(HIP * unit if part == "leg" else 0.0)
    if garment.pattern == "rows":
        return _wave(down, period)
    across = surface.turn * np.float32(GIRTH[part] * unit) + np.float32(shift * unit)
    if garment.pattern == "columns":
        return _wave(across, period * 0.75)
    if garment.pattern == "dots":
        return _dots(across, down, period)
    return (_wave(across, period) + _wave(down, period)) * np.float32(0.5)


def _folds(garment: Garment, surface: Surface, part: Part, unit: float) -> F32:
    """Return a factor of brightness about 1: soft creases, and a skirt's pleats growing downwards."""
    phase = (garment.seed % 97) * 0.37
    down = surface.down * np.float32(1.0 / unit)
    turn = surface.turn
    if part != "body":
        folds: F32 = 1.0 + np.float32(0.035) * np.sin(
            down * 64.0 + 2.5 * np.sin(turn * 2.0 + phase) + np.float32(phase)
        )
        return folds
    creases: F32 = np.float32(0.022) * np.sin(down * 46.0 + 3.0 * np.sin(turn * 2.0 + phase) + np.float32(phase))
    if garment.kind in ("skirt", "dress"):
        depth = np.clip((down - 0.44) * (2.4 * min(garment.flare * 4.0, 1.0)), 0.0, 0.13)
        creases = creases * 0.6 + depth * np.sin(turn * 9.0 + np.float32(phase))
    return np.float32(1.0) + creases


def cloth(
    garment: Garment, surface: Surface, part: Part, unit: float, shift: float = 0.0, drape: Drape | None = None
) -> F32:
    """Return the colour (h, w, 3), 0..255, of a garment's surface.

    unit: the wearer's height in pixels; shift: how far the part lies beside the trunk's axis, as a fraction of it,
    so that a pattern goes on from the trunk to the legs; drape: folds of a garment with a textile.
    """
    if garment.textile is not None:
        return _draped(garment, garment.textile, surface, part, unit, shift, drape)
    colour: F32 = np.broadcast_to(as_colour(garment.base), (*surface.cover.shape, 3))
    pattern = _pattern(garment, surface, part, unit, shift)
    if pattern is not None:
        colour = colour + pattern[..., None] * (as_colour(garment.second) - as_colour(garment.base))
    if part == "body" and garment.print != "none":
        size = garment.print_size * unit
        mark = print_cover(garment.print, surface.side / size, (surface.down - PRINT_Y * unit) / size, size)
        mark *= surface.front > 0.0
        colour = colour + mark[..., None] * (as_colour(garment.ink) - colour)
    tone = surface.light * _folds(garment, surface, part, unit)
    lit: F32 = colour * tone[..., None]
    return lit


def _draped(
    garment: Garment, textile: Textile, surface: Surface, part: Part, unit: float, shift: float, drape: Drape | None
) -> F32:
    """Return the colour of a textile, displaced and shaded by its folds."""
    down = surface.down + np.float32(HIP * unit if part == "leg" else 0.0)
    # Between cloth that widens with the body and cloth whose threads stay upright.
    girth = np.float32(0.5 * GIRTH[part] * unit) + np.float32(0.5) * surface.radius
    across = surface.turn * girth + np.float32(shift * unit)
    tone = surface.light
    if drape is not None:
        right, below, folds = drape.at(surface.box)
        across, down, tone = across + right, down + below, tone * folds
    if part == "body" and garment.kind in ("skirt", "dress"):
        depth = np.clip((surface.down / np.float32(unit) - 0.44) * (2.4 * min(garment.flare * 4.0, 1.0)), 0.0, 0.16)
        pleats = 5.0 + garment.seed % 9
        tone = tone * (1 + depth * np.sin(surface.turn * np.float32(pleats) + np.float32(garment.seed % 97)))
    if part == "body" and garment.cut is not None and garment.has_torso:
        seams = detail_tone(garment.cut, surface, unit)
        tone = tone if seams is None else tone * seams
    colour = textile_colour(textile, across, down, surface.front, part, unit)
    return np.asarray(colour * tone[..., None], np.float32)


def trim_cover(distance: F32, width: float) -> F32:
    """Return the coverage of a band from 0 to ``width`` of a signed distance, both in pixels."""
    middle = np.float32(width / 2)
    cover: F32 = np.clip(middle - np.abs(distance - middle) + np.float32(0.5), 0.0, 1.0)
    return cover

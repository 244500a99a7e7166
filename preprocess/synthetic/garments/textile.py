"""Cloth of the varied set: a repeating tile of any pattern and an artwork printed on chest or back.

Both are small bitmaps that are sampled along the cloth, `PIXELS` of them for the wearer's height.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, get_args

import cv2
import numpy as np

from preprocess.synthetic.drawing.canvas import F32, as_colour
from preprocess.synthetic.drawing.palette import RGB
from preprocess.synthetic.garments.artwork import Artwork, paint_artwork

Weave = Literal[
    "plain", "heather", "ombre", "rows", "breton", "columns", "pinstripes", "gingham", "plaid", "windowpane", "dots",
    "zigzag", "floral", "camouflage", "scatter", "knit", "denim",
]  # fmt: skip
WEAVES: Final[tuple[Weave, ...]] = get_args(Weave)
PIXELS: Final = 1000
"""Of a bitmap for the wearer's height."""
TILE: Final = 192
"""Side of a repeating tile, pixels; a pattern has a whole number of periods on it."""


@dataclass(frozen=True)
class Textile:
    """What a garment is made of."""

    seed: int
    weave: Weave
    colours: tuple[RGB, ...]
    """Ground, second, third"""
    repeats: int
    """Periods on a tile: 1 for a large pattern, 24 for a fine one"""
    sleeves: bool
    """Whether sleeves have the second colour instead"""
    front: Artwork | None
    back: Artwork | None


def textile_colour(textile: Textile, across: F32, down: F32, front: F32, part: str, unit: float) -> F32:
    """Return the colour (h, w, 3), 0..255, at lengths along the cloth in pixels of an image.

    front: 1 at the body's front, -1 at its back; unit: the wearer's height, pixels.
    """
    scale = np.float32(PIXELS / unit)
    x, y = (across * scale).astype(np.float32), (down * scale).astype(np.float32)
    if part == "sleeve" and textile.sleeves:
        colour: F32 = np.broadcast_to(as_colour(textile.colours[1]), (*x.shape, 3))
        return colour
    if textile.weave == "plain":
        colour = np.broadcast_to(as_colour(textile.colours[0]), (*x.shape, 3))
    elif textile.weave == "ombre":
        share = np.clip((y - np.float32(170)) / np.float32(330), 0.0, 1.0)[..., None]
        first, last = as_colour(textile.colours[0]), as_colour(textile.colours[1])
        colour = first + share * (last - first)
    else:
        tile = _tile(textile)
        colour = np.asarray(
            cv2.remap(tile, np.mod(x, TILE), np.mod(y, TILE), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), np.float32
        )
    if part == "body":
        for artwork, side in ((textile.front, front > 0.0), (textile.back, front <= 0.0)):
            if artwork is not None:
                colour = _printed(colour, artwork, x, y, side.astype(np.float32))
    return colour


def _printed(colour: F32, artwork: Artwork, x: F32, y: F32, side: F32) -> F32:
    bitmap = paint_artwork(artwork)
    half = bitmap.shape[0] / 2
    left, top = np.float32(artwork.place[0] * PIXELS - half), np.float32(artwork.place[1] * PIXELS - half)
    ink = cv2.remap(bitmap, x - left, y - top, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    cover = ink[..., 3:] * side[..., None]
    # The bitmap's colours are already multiplied by its coverage.
    printed: F32 = colour * (1 - cover) + ink[..., :3] * side[..., None]
    return printed


@lru_cache(maxsize=64)
def _tile(textile: Textile) -> F32:
    """Return the repeating tile (192, 192, 3), 0..255."""
    rng = np.random.default_rng([textile.seed, 31])
    ground, second, third = (as_colour(colour) for colour in (textile.colours * 3)[:3])
    at = np.arange(TILE, dtype=np.float32)
    x, y = np.broadcast_to(at[None, :], (TILE, TILE)), np.broadcast_to(at[:, None], (TILE, TILE))
    period = np.float32(TILE / textile.repeats)
    if textile.weave in ("heather", "knit", "denim"):
        return _texture(textile, rng, x, y, ground, second)
    if textile.weave in ("floral", "scatter", "camouflage"):
        return _motifs(textile, rng, ground, second, third)
    share = _geometric(textile, rng, x, y, period)
    tile: F32 = ground + share[..., None] * (second - ground)
    if textile.weave in ("plaid", "windowpane"):
        line = np.maximum(_band(x + period * 0.3, period, 0.08), _band(y + period * 0.3, period, 0.08))
        tile = tile + np.float32(0.8) * line[..., None] * (third - tile)
    return np.ascontiguousarray(tile, np.float32)


def _band(at: F32, period: np.float32, share: float) -> F32:
    """Return 0..1: bands that cover a share of each period, with soft edges."""
    wave = np.abs(np.mod(at / period, 1.0) - np.float32(0.5))
    band: F32 = np.clip((np.float32(share / 2) - wave) * period + np.float32(0.5), 0.0, 1.0).astype(np.float32)
    return band


def _geometric(textile: Textile, rng: np.random.Generator, x: F32, y: F32, period: np.float32) -> F32:
    """Return the share of the second colour, 0..1."""
    share = float(rng.uniform(0.3, 0.65))
    if textile.weave == "rows":
        return _band(y, period, share)
    if textile.weave == "breton":
        return _band(y, period, float(rng.uniform(0.12, 0.3)))
    if textile.weave == "columns":
        return _band(x, period, share)
    if textile.weave == "pinstripes":
        return np.float32(0.7) * _band(x, period, 0.1)
    if textile.weave == "gingham":
        gingham: F32 = (_band(x, period, 0.5) + _band(y, period, 0.5)) * np.float32(0.5)
        return gingham
    if textile.weave == "plaid":
        plaid: F32 = (_band(x, period, share) + _band(y, period, share)) * np.float32(0.42)
        return plaid
    if textile.weave == "zigzag":
        shifted = y + np.abs(np.mod(x / period, 1.0) - np.float32(0.5)) * period
        return _band(shifted.astype(np.float32), period, share)
    if textile.weave == "dots":
        row = np.floor(y / period)
        # A half-period's shift of every other row repeats on a tile with an even number of rows.
        stagger = np.mod(row, 2.0) * (0.5 if textile.repeats % 2 == 0 else 0.0)
        dx = np.mod(x / period + stagger, 1.0) - 0.5
        dy = np.mod(y / period, 1.0) - 0.5
        dots: F32 = np.clip((share * 0.6 - np.hypot(dx, dy)) * period + 0.5, 0.0, 1.0).astype(np.float32)
        return dots
    return np.zeros_like(x)


def _texture(textile: Textile, rng: np.random.Generator, x: F32, y: F32, ground: F32, second: F32) -> F32:
    """Return yarn that is visible as such: flecks, ribs, a twill's diagonal."""
    noise = rng.standard_normal((TILE, TILE), dtype=np.float32)
    if textile.weave == "heather":
        soft = cv2.GaussianBlur(noise, (0, 0), 0.9, borderType=cv2.BORDER_REFLECT)
        share: F32 = np.clip(0.35 + 0.9 * soft, 0.0, 1.0).astype(np.float32)
        return np.asarray(ground + 0.5 * share[..., None] * (second - ground), np.float32)
    if textile.weave == "knit":
        ribs = 0.5 + 0.5 * np.sin(2 * np.pi * x / np.float32(TILE / (8 * max(textile.repeats // 4, 1))))
        rows = 0.5 + 0.5 * np.sin(2 * np.pi * y / np.float32(8.0))
        factor = 0.86 + 0.16 * ribs + 0.05 * rows + 0.02 * noise
    else:
        twill = np.sin(2 * np.pi * (x + y) / np.float32(6.0))
        factor = 0.98 + 0.05 * twill + 0.06 * cv2.GaussianBlur(noise, (0, 0), 1.2) + 0.03 * noise
    return np.asarray(ground * factor[..., None], np.float32)


def _motifs(textile: Textile, rng: np.random.Generator, ground: F32, second: F32, third: F32) -> F32:
    """Return scattered shapes, painted around the tile's edges so that they repeat."""
    tile = np.empty((TILE, TILE, 3), np.float32)
    tile[:] = ground
    size = TILE / (2.2 * textile.repeats)
    for _ in range(min(3 * textile.repeats**2 + 3, 160)):
        x, y = rng.uniform(0, TILE, 2)
        colour, turn = (second, third)[int(rng.integers(2))].tolist(), float(rng.uniform(0, 2 * np.pi))
        outline = _shape(textile.weave, rng, size * float(rng.uniform(0.5, 1.1)), turn)
        for dx in (-TILE, 0, TILE):
            for dy in (-TILE, 0, TILE):
                points = np.rint((outline + np.array([x + dx, y + dy])) * 16).astype(np.int32)
                cv2.fillPoly(tile, [points], colour, lineType=cv2.LINE_AA, shift=4)
    return tile


def _shape(weave: Weave, rng: np.random.Generator, size: float, turn: float) -> F32:
    """Return an outline about 0: a flower, a blotch, or a leaf."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    if weave == "floral":
        radius = size * (0.62 + 0.38 * np.cos(int(rng.integers(4, 7)) * angle))
    elif weave == "camouflage":
        waves = [rng.uniform(-0.25, 0.25) * np.cos(k * angle + rng.uniform(0, 6)) for k in (2, 3, 5)]
        radius = size * (0.9 + np.sum(waves, axis=0))
    else:
        radius = size * (0.25 + 0.75 * np.abs(np.cos(angle)) ** float(rng.uniform(0.8, 3.0)))
    outline: F32 = np.stack([radius * np.cos(angle + turn), radius * np.sin(angle + turn)], 1).astype(np.float32)
    return outline

"""Artworks printed on garments of the varied set: lettering, logos, emblems, pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, get_args

import cv2
import numpy as np

from preprocess.synthetic.drawing.canvas import F32, as_colour
from preprocess.synthetic.drawing.palette import RGB
from preprocess.synthetic.garments.glyphs import text_cover

Motif = Literal["lettering", "logo", "emblem", "picture", "stripe", "figure"]
MOTIFS: Final[tuple[Motif, ...]] = get_args(Motif)
PIXELS: Final = 1000
_OVER: Final = 2
"""Artworks are painted at so many times their size."""
_SYLLABLES: Final = (
    "LO", "RA", "NE", "TO", "MI", "KA", "SU", "VER", "DAY", "SEA", "OX", "UP", "19", "84", "GO", "BE", "ST", "AR",
    "CLUB", "NY", "& CO", "HI", "FOR", "EST", "77", "JAM",
)  # fmt: skip


@dataclass(frozen=True)
class Artwork:
    """A print. Lengths are fractions of the wearer's height."""

    seed: int
    motif: Motif
    size: float
    """Half its width"""
    place: tuple[float, float]
    """Of its middle: to the wearer's left of the axis, below the crown"""
    inks: tuple[RGB, RGB, RGB]


@lru_cache(maxsize=64)
def paint_artwork(artwork: Artwork) -> F32:
    """Return a square bitmap (n, n, 4): colours 0..255 multiplied by the coverage, and the coverage 0..1."""
    rng = np.random.default_rng([artwork.seed, 32])
    side = max(int(2 * artwork.size * PIXELS), 12)
    big = side * _OVER
    colour, cover = np.zeros((big, big, 3), np.float32), np.zeros((big, big), np.float32)
    inks = [as_colour(ink) for ink in artwork.inks]
    painters = {
        "lettering": _lettering, "logo": _logo, "emblem": _emblem, "picture": _picture, "stripe": _stripe,
        "figure": _figure,
    }  # fmt: skip
    painters[artwork.motif](rng, colour, cover, inks)
    bitmap = np.concatenate([colour * cover[..., None], cover[..., None]], axis=2)
    small = cv2.resize(bitmap, (side, side), interpolation=cv2.INTER_AREA)
    # A transparent rim, so that sampling beyond the bitmap fades out.
    return np.asarray(cv2.copyMakeBorder(small, 1, 1, 1, 1, cv2.BORDER_CONSTANT), np.float32)


def _fill(colour: F32, cover: F32, points: F32, ink: F32) -> None:
    corners = [np.rint(np.asarray(points) * 16).astype(np.int32)]
    cv2.fillPoly(colour, corners, ink.tolist(), shift=4)
    cv2.fillPoly(cover, corners, 1.0, shift=4)


def _disc(colour: F32, cover: F32, x: float, y: float, radius: float, ink: F32) -> None:
    for target, value in ((colour, ink.tolist()), (cover, 1.0)):
        cv2.circle(target, (round(x), round(y)), max(round(radius), 1), value, cv2.FILLED)


def _text(colour: F32, cover: F32, text: str, box: tuple[float, float, float], style: tuple[float, float, float],
          ink: F32) -> None:  # fmt: skip
    """Write a line; box: its middle's x and y and its width, pixels; style: weight, slant, height of a letter."""
    size, (x, y, wide), (weight, slant, tall) = cover.shape[0], box, style
    width = max(int(wide), 4)
    height = max(min(int(tall * wide / len(text)), size // 2), 4)
    left, top = max(int(x - width / 2), 0), max(int(y - height / 2), 0)
    mark = text_cover(text, width, height, weight, slant)[: size - top, : size - left] > 0
    area = slice(top, top + mark.shape[0]), slice(left, left + mark.shape[1])
    colour[area][mark] = ink
    cover[area][mark] = 1.0


def _word(rng: np.random.Generator, most: int = 3) -> str:
    return "".join(_SYLLABLES[int(k)] for k in rng.integers(len(_SYLLABLES), size=int(rng.integers(1, most + 1))))


def _style(rng: np.random.Generator) -> tuple[float, float, float]:
    slant = float(rng.uniform(0.1, 0.35)) if rng.random() < 0.3 else 0.0
    return float(rng.random()), slant, float(rng.uniform(1.0, 2.2))


def _lettering(rng: np.random.Generator, colour: F32, cover: F32, inks: list[F32]) -> None:
    """Write one to three lines, as slogans and universities' names are."""
    size = cover.shape[0]
    lines, style = int(rng.integers(1, 4)), _style(rng)
    for line in range(lines):
        middle = size / 2, size * (0.5 + (line - (lines - 1) / 2) * 0.27)
        width = size * float(rng.uniform(0.55, 0.97))
        _text(colour, cover, _word(rng), (*middle, width), style, inks[line % 2 * int(rng.random() < 0.4)])


def _logo(rng: np.random.Generator, colour: F32, cover: F32, inks: list[F32]) -> None:
    size = cover.shape[0]
    if rng.random() < 0.5:
        _fill(colour, cover, _polar(rng, size, 0.45), inks[0])
    else:
        _disc(colour, cover, size / 2, size / 2, size * 0.42, inks[0])
        _disc(colour, cover, size / 2, size / 2, size * float(rng.uniform(0.15, 0.3)), inks[1])


def _emblem(rng: np.random.Generator, colour: F32, cover: F32, inks: list[F32]) -> None:
    """Paint a badge: a shape within a shape, and a word or a number."""
    size = cover.shape[0]
    _fill(colour, cover, _polar(rng, size, 0.47), inks[0])
    _fill(colour, cover, _polar(rng, size, 0.33), inks[1])
    _text(colour, cover, _word(rng, 2), (size / 2, size / 2, size * float(rng.uniform(0.3, 0.6))), _style(rng), inks[2])


def _picture(rng: np.random.Generator, colour: F32, cover: F32, inks: list[F32]) -> None:
    """Paint a framed picture: sky, sun, hills and some figures."""
    size = cover.shape[0]
    left, top = size * 0.06, size * float(rng.uniform(0.05, 0.2))
    _fill(colour, cover, np.array([(left, top), (size - left, top), (size - left, size - top), (left, size - top)],
                                  np.float32), inks[0])  # fmt: skip
    inside = cover.copy()
    shade = np.linspace(0.65, 1.25, size, dtype=np.float32)[:: 1 if rng.random() < 0.5 else -1]
    colour *= shade[:, None, None]
    _disc(colour, cover, size * rng.uniform(0.25, 0.75), size * rng.uniform(0.25, 0.5), size * rng.uniform(0.07, 0.2),
          inks[1])  # fmt: skip
    columns = np.linspace(0, size, 24)
    for depth in (0.55, 0.7):
        rows = size * (depth + 0.1 * np.sin(columns / size * rng.uniform(4, 14) + rng.uniform(0, 6)))
        outline = np.concatenate([np.stack([columns, rows], 1), [(size, size), (0, size)]])
        _fill(colour, cover, outline.astype(np.float32), inks[2] * np.float32(1.4 - depth))
    for _ in range(int(rng.integers(0, 5))):
        x, y = size * rng.uniform(0.2, 0.8), size * rng.uniform(0.45, 0.85)
        _disc(colour, cover, x, y, size * rng.uniform(0.02, 0.07), inks[int(rng.integers(2))])
    cover[inside < 0.5] = 0.0


def _stripe(rng: np.random.Generator, colour: F32, cover: F32, inks: list[F32]) -> None:
    """Paint bands across the chest, straight or slanting."""
    size, slant = cover.shape[0], float(rng.uniform(-0.25, 0.25)) * float(rng.random() < 0.5)
    row = size * float(rng.uniform(0.2, 0.4))
    for ink in inks[: int(rng.integers(1, 4))]:
        tall = size * float(rng.uniform(0.06, 0.2))
        rise = slant * size
        _fill(colour, cover, np.array([(0, row), (size, row + rise), (size, row + rise + tall), (0, row + tall)],
                                      np.float32), ink)  # fmt: skip
        row += tall + size * float(rng.uniform(0.0, 0.06))


def _figure(rng: np.random.Generator, colour: F32, cover: F32, inks: list[F32]) -> None:
    """Paint a cartoon head: two ears, a face, eyes and a mouth or a beak."""
    size = cover.shape[0]
    ear, spread = size * rng.uniform(0.1, 0.2), rng.uniform(0.18, 0.32)
    for side in (-1, 1):
        _disc(
            colour, cover, size * (0.5 + side * spread), size * rng.uniform(0.2, 0.32), ear, inks[int(rng.integers(2))]
        )
    _fill(colour, cover, _polar(rng, size, 0.4, soft=True), inks[0])
    apart, row = rng.uniform(0.08, 0.17), rng.uniform(0.42, 0.52)
    for side in (-1, 1):
        _disc(colour, cover, size * (0.5 + side * apart), size * row, size * rng.uniform(0.03, 0.07), inks[2])
    wide, tall = size * rng.uniform(0.05, 0.18), size * rng.uniform(0.03, 0.1)
    mouth = np.array(
        [(0.5 * size - wide, 0.62 * size), (0.5 * size + wide, 0.62 * size), (0.5 * size, 0.62 * size + tall)]
    )
    _fill(colour, cover, mouth.astype(np.float32), inks[1])


def _polar(rng: np.random.Generator, size: int, radius: float, soft: bool = False) -> F32:
    """Return a random symmetric outline: a star, a flower, a shield, a polygon."""
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    lobes = int(rng.integers(3, 9))
    depth = float(rng.uniform(0.0, 0.12 if soft else 0.45))
    wave = np.cos(lobes * (angle + np.pi / 2))
    if not soft and rng.random() < 0.5:
        wave = 2 / np.pi * np.arcsin(wave)
    reach = size * radius * (1 - depth + depth * wave) * (1 + 0.12 * float(rng.normal()) * np.cos(2 * angle))
    reach = np.minimum(reach, size * 0.49)
    outline: F32 = (np.stack([np.cos(angle), np.sin(angle)], 1) * reach[:, None] + size / 2).astype(np.float32)
    return outline

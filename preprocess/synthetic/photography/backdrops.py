"""Backdrops of the varied set: plain, gradients, walls, rooms, blurred streets."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from preprocess.synthetic.drawing.canvas import F32, HEIGHT, WIDTH, Box, as_colour
from preprocess.synthetic.photography.photograph import Photograph

_SMALL: Final = (WIDTH // 4, HEIGHT // 4)
"""Width and height at which a backdrop is painted before it is enlarged."""


def paint_backdrop(photograph: Photograph, floor: tuple[float, float, float]) -> F32:
    """Return (1280, 720, 3), 0..255; ``floor`` is where the subject's shadow falls: x, y, half-width in pixels."""
    rng = np.random.default_rng([photograph.seed, 23])
    small = np.empty((_SMALL[1], _SMALL[0], 3), np.float32)
    small[:] = as_colour(photograph.ground)
    if photograph.backdrop == "gradient":
        small *= _gradient(rng)[..., None]
    elif photograph.backdrop == "plaster":
        small *= (1 + 0.05 * _clouds(rng, 24) + 0.05 * _clouds(rng, 5))[..., None]
    elif photograph.backdrop == "wall":
        small *= (_bricks(rng) * (1 + 0.04 * _clouds(rng, 6)))[..., None]
    elif photograph.backdrop == "room":
        _furnish(small, rng, floor[1] / 4)
    elif photograph.backdrop == "outdoors":
        small = _blurred_street(small, rng, floor[1] / 4)
    image: F32 = np.asarray(cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR), np.float32)
    _cast_shadow(image, floor, float(rng.uniform(0.1, 0.4)))
    return image


def _cast_shadow(image: F32, floor: tuple[float, float, float], depth: float) -> None:
    x, y, half = floor
    box = Box.around(x - half * 1.6, y - half * 0.5, x + half * 1.6, y + half * 0.5)
    if box.empty:
        return
    xs, ys = box.grid()
    dark = np.exp(-2.2 * (((xs - x) / half) ** 2 + ((ys - y) / (half * 0.24)) ** 2))
    image[box.slices] *= (1.0 - depth * dark)[..., None]


def _clouds(rng: np.random.Generator, cells: int) -> F32:
    """Return smooth noise of about unit variance with ``cells`` cells across."""
    coarse = rng.normal(0, 1, (max(cells * 16 // 9, 2), cells)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, _SMALL, interpolation=cv2.INTER_CUBIC), np.float32)


def _gradient(rng: np.random.Generator) -> F32:
    down, across = np.mgrid[-1 : 1 : _SMALL[1] * 1j, -1 : 1 : _SMALL[0] * 1j].astype(np.float32)
    turn, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.08, 0.35)
    if rng.random() < 0.5:
        factor: F32 = 1.0 + np.float32(depth) * (across * np.float32(np.cos(turn)) + down * np.float32(np.sin(turn)))
        return factor
    x, y = rng.uniform(-0.4, 0.4, 2)
    vignette: F32 = (1.08 - depth * ((across - x) ** 2 + (down - y) ** 2)).astype(np.float32)
    return np.clip(vignette, 0.35, 1.2)


def _bricks(rng: np.random.Generator) -> F32:
    """Return factors of brightness of bricks, tiles or boards."""
    tall, wide = int(rng.integers(6, 26)), int(rng.integers(14, 60))
    shifted = rng.random() < 0.6
    rows, columns = np.arange(_SMALL[1])[:, None], np.arange(_SMALL[0])[None, :]
    row = rows // tall
    along = columns + (row % 2) * (wide // 2) * shifted
    tones = rng.normal(1.0, 0.06, (_SMALL[1] // tall + 2, _SMALL[0] // wide + 4)).astype(np.float32)
    wall: F32 = tones[row, along // wide]
    joint = (rows % tall == 0) | (along % wide == 0)
    return np.where(joint, wall * np.float32(rng.uniform(0.72, 1.12)), wall)


def _furnish(small: F32, rng: np.random.Generator, floor: float) -> None:
    """Paint a floor, a skirting board, and some furniture, doors and pictures on the wall."""
    horizon = int(min(max(floor - rng.uniform(8, 40), 40), _SMALL[1] - 2))
    for _ in range(int(rng.integers(1, 6))):
        left, top = int(rng.integers(-30, _SMALL[0])), int(rng.integers(0, horizon))
        wide, tall = int(rng.integers(12, 80)), int(rng.integers(20, 190))
        colour = np.clip(small[0, 0] * rng.uniform(0.45, 1.25) + rng.normal(0, 18, 3), 8, 250)
        cv2.rectangle(small, (left, top), (left + wide, min(top + tall, horizon)), colour.tolist(), cv2.FILLED)
    ground = np.clip(small[0, 0] * rng.uniform(0.5, 1.1) + rng.normal(0, 20, 3), 10, 250).astype(np.float32)
    boards = (np.arange(_SMALL[1] - horizon) % max(int(rng.integers(3, 9)), 1) == 0).astype(np.float32)
    small[horizon:] = ground * (1 - 0.12 * boards)[:, None, None]
    cv2.line(small, (0, horizon), (_SMALL[0], horizon), (ground * 0.7).tolist(), 1)
    small[:] = cv2.GaussianBlur(small, (0, 0), float(rng.uniform(0.4, 2.2)))


def _blurred_street(small: F32, rng: np.random.Generator, floor: float) -> F32:
    """Return blobs of light and dark out of focus: trees, houses, cars."""
    horizon = int(min(max(floor - rng.uniform(10, 60), 60), _SMALL[1] - 2))
    for _ in range(int(rng.integers(12, 34))):
        x, y = int(rng.integers(0, _SMALL[0])), int(rng.integers(0, horizon + 10))
        axes = (int(rng.integers(4, 34)), int(rng.integers(4, 60)))
        hue = rng.normal(1.0, 0.16, 3) * rng.uniform(0.4, 1.5)
        colour = np.clip(as_colour((120, 128, 112)) * hue, 10, 250).tolist()
        if rng.random() < 0.5:
            cv2.ellipse(small, (x, y), axes, float(rng.uniform(-30, 30)), 0, 360, colour, cv2.FILLED)
        else:
            cv2.rectangle(small, (x - axes[0], y - axes[1]), (x + axes[0], y + axes[1]), colour, cv2.FILLED)
    small[horizon:] = np.clip(as_colour((132, 130, 126)) * rng.uniform(0.6, 1.4), 20, 240)
    blurred = cv2.GaussianBlur(small, (0, 0), float(rng.uniform(2.5, 7.0)))
    return np.asarray(blurred * (1 + 0.03 * _clouds(rng, 30))[..., None], np.float32)

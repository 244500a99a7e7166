"""Shapes printed on chests, large enough to be distinguished at 32 pixels."""

from __future__ import annotations

import numpy as np

from preprocess.synthetic.drawing.canvas import F32
from preprocess.synthetic.garments.garment import Print


def _bar(x: F32, y: F32, left: float, top: float, right: float, bottom: float) -> F32:
    """Return the signed distance to a rectangle, positive inside."""
    inside: F32 = np.minimum(np.minimum(x - left, right - x), np.minimum(y - top, bottom - y))
    return inside


def _star(x: F32, y: F32) -> F32:
    fifth = 2.0 * np.pi / 5.0
    angle = np.abs(np.mod(np.arctan2(x, -y) + fifth / 2, fifth) - fifth / 2)
    radius = np.hypot(x, y)
    # The edge from a point (radius 1.12) to the notch (radius 0.5, a tenth of a turn on), as a half-plane.
    px, py = radius * np.cos(angle), radius * np.sin(angle)
    nx, ny = 0.5 * np.sin(fifth / 2), 1.12 - 0.5 * np.cos(fifth / 2)
    inside: F32 = (((1.12 - px) * nx - py * ny) / np.hypot(nx, ny)).astype(np.float32)
    return inside


def _heart(x: F32, y: F32) -> F32:
    x = np.abs(x)
    lobes = 0.53 - np.hypot(x - 0.46, y + 0.36)
    point = np.minimum(((1.0 - y) * 0.95 - x * 1.15) / 1.49, y + 0.36)
    inside: F32 = np.maximum(lobes, point).astype(np.float32)
    return inside


def _letter(x: F32, y: F32) -> F32:
    """Return a letter-like shape: a stem with two arms, which tells left from right and up from down."""
    stem = _bar(x, y, -0.72, -1.0, -0.22, 1.0)
    arms = np.maximum(_bar(x, y, -0.72, -1.0, 0.8, -0.55), _bar(x, y, -0.72, -0.15, 0.5, 0.28))
    inside: F32 = np.maximum(stem, arms)
    return inside


def print_cover(shape: Print, x: F32, y: F32, size: float) -> F32:
    """Return the coverage, 0..1, of a print at (x, y), which are -1..1 over it; ``size`` is half its width, pixels."""
    if shape == "none":
        return np.zeros_like(x)
    if shape == "circle":
        inside = np.float32(1.0) - np.hypot(x, y)
    elif shape == "star":
        inside = _star(x, y)
    elif shape == "heart":
        inside = _heart(x, y)
    elif shape == "letter":
        inside = _letter(x, y)
    else:
        rows = (-0.95, -0.25, 0.45)
        inside = np.maximum.reduce([_bar(x, y, -1.15, top, 1.15, top + 0.42) for top in rows])
    cover: F32 = np.clip(inside * np.float32(size) + 0.5, 0.0, 1.0).astype(np.float32)
    return cover

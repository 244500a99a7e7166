"""Holds a product photograph against the background that its border shows: what differs, what may be shaded background.

The background is a smooth surface through the border. A shadow is that background, darker: it has its hue, and its
margin is soft. How much is an edge, and how much a difference, follows from the border's own noise.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.masks import eroded
from preprocess.formats.images import Mask, Pixels

F32 = NDArray[np.float32]

_BORDER = 0.02
"""Width of the border, as a share of the shorter side."""
_ROUNDS = 4
"""Rounds of fitting the background: each drops what differs from the fit before."""
_FAINT = 1.2
"""Minimum distance in L*a*b* from the background that can be seen at all: JPEG's own error on white."""
_NOISES = 5.0
"""The same in multiples of the border's noise."""
_SLOPE = 0.3
"""Minimum slope of an edge, in L*a*b* per pixel."""
_WIDE = 2.2
"""Blur in pixels under which the margin of a shadow keeps its slope and an edge does not."""
_SHARPEST = 1.4
"""Maximum ratio of the slopes without and with this blur in a shadow."""
_BENT = 0.05
"""What the shadow's darkness adds to its slope, per pixel."""
_DEEPEST = 30.0
"""Maximum difference in L* of a shadow's margin: between it and darker cloth there is an edge."""
_MIXED = 2
"""Width in pixels of an edge's blur."""
_BLOCK = 17
"""Width in pixels of the area that JPEG's error around an edge spreads over."""
_RINGING = 0.12
"""That error, as a share of the edge's slope."""
_HUES = (1.2, 5.0)
"""Range of the maximum distance of a shadow's hue from the background's, in a*b*: a shadow is the ground, darker."""
TINT = 0.1
"""What a shadow's darkness adds to it: light from the side tints shadows."""
_DARKEST = 45.0
"""Maximum difference in L* of a shadow from the background."""


class Ground(NamedTuple):
    """How an image differs from its background in L*a*b*: (h, w, 3), its length and its slope, and what is visible.

    ``shade``: where it can be shaded background by its hue and lightness; ``hue``: the maximum distance of its hue.
    """

    difference: F32
    away: F32
    slope: F32
    shade: Mask
    least: F32
    edge: F32
    hue: float


def seen_against_border(pixels: Pixels) -> Ground:
    """Compare an image with the background that its border shows."""
    smooth = cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), 1.2) / np.float32(255)
    lab = np.asarray(cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB), np.float32)
    surface, known = background_of(lab)
    difference = lab - surface
    away = np.sqrt(np.square(difference).sum(axis=-1))
    slope = slope_of(difference)
    noise = float(np.quantile(away[known], 0.75)) if known.any() else 0.0
    roughness = float(np.quantile(slope[known], 0.9)) if known.any() else 0.0
    # JPEG's error spreads over a block from an edge, in proportion to it.
    strongest = cv2.dilate(slope, np.ones((_BLOCK, _BLOCK), np.uint8))
    least = np.maximum(max(_FAINT, _NOISES * noise), _RINGING * strongest)
    edge = np.maximum(max(_SLOPE, 3.0 * roughness), _RINGING * strongest)
    hue = hue_of(difference)
    scatter = float(np.quantile(hue[known], 0.75)) if known.any() else 0.0
    closest = max(_HUES[0], _NOISES * scatter)
    like = closest - TINT * np.minimum(difference[..., 0], 0)
    own, like = like, like + _RINGING * strongest
    lightness = (difference[..., 0] > -_DARKEST) & (difference[..., 0] < least)
    shade = (hue < np.minimum(like, _HUES[1])) & lightness
    slope[_is_soft(difference[..., 0], slope, shade) & (hue < own)] = 0.0
    return Ground(difference, away, slope, shade, least, edge, closest)


def _is_soft(lightness: F32, slope: F32, shade: Mask) -> Mask:
    """Return where shade changes as in the margin of a shadow: about as steeply over a long distance as over a short.

    What is no shade, and the pixels beside it, tell nothing of a shadow.
    """
    known = eroded(shade, _MIXED).astype(np.float32)
    weight = cv2.GaussianBlur(known, (0, 0), _WIDE)
    wide = cv2.GaussianBlur(lightness * known, (0, 0), _WIDE) / np.maximum(weight, np.float32(0.05))
    across = cv2.Sobel(wide, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    down = cv2.Sobel(wide, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    # Where a deep shadow's margin begins, its slope grows within a few pixels.
    most = _SHARPEST * cv2.magnitude(across, down) - _BENT * lightness
    soft: Mask = shade & (lightness < 0) & (lightness > -_DEEPEST) & (slope < most)
    return soft


def hue_of(difference: F32) -> F32:
    """Return the distance of hue, in a*b*."""
    hue: F32 = np.sqrt(np.square(difference[..., 1:]).sum(axis=-1))
    return hue


def background_of(lab: F32) -> tuple[F32, Mask]:
    """Return a smooth surface (h, w, 3) through the background at the border, and where the border shows it."""
    height, width = lab.shape[:2]
    rows, columns = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    terms = np.stack([np.ones_like(rows), rows, columns, rows * columns, rows**2, columns**2], axis=-1)
    wide = max(2, round(_BORDER * min(height, width)))
    border = np.ones((height, width), np.bool_)
    border[wide:-wide, wide:-wide] = False
    at, values = terms[border], lab[border].astype(np.float64)
    used = np.linalg.norm(values - np.median(values, axis=0), axis=1) < 20.0
    fit = np.zeros((terms.shape[-1], 3))
    for _ in range(_ROUNDS):
        fit, *_ = np.linalg.lstsq(at[used], values[used], rcond=None)
        error = np.linalg.norm(values - at @ fit, axis=1)
        used = error < max(_FAINT, 3.0 * float(np.median(error)))
    known = np.zeros_like(border)
    known[border] = used
    return np.asarray(terms @ fit, np.float32), known


def slope_of(values: F32) -> F32:
    """Return the change per pixel of (h, w, 3)."""
    x = cv2.Sobel(values, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    y = cv2.Sobel(values, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    slope: F32 = np.sqrt((np.square(x) + np.square(y)).sum(axis=-1))
    return slope

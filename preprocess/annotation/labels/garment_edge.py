"""Where the upper garment ends and the lower one begins: the first clear change of colour below the waist.

Along the body's axis, in torso lengths below the shoulders, a level is an edge if most of what lies just below it has
colours that are not found above, and the reverse. A print, a fold or a shadow is one-sided or too weak. Around the
level the edge is followed through the columns of the image, so that a hem may be curved and a coat hang open.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.colours import distribution, histogram, smoothed
from preprocess.formats.images import Mask, Pixels

Values = NDArray[np.float32]

_BINS: Final = (16, 32, 32)
"""Bins of L, a and b."""
_SHIFTS: Final = (4, 3, 3)
_KERNELS: Final = tuple(
    tuple(round(256 * math.exp(-0.5 * (step / width) ** 2)) / 256 for step in range(-3, 4)) for width in (1.5, 0.6, 0.6)
)
_FLOOR: Final = 1e-5
"""Likelihood of a colour that was never seen."""
_FIRST, _LAST, _STEP = 0.45, 2.1, 0.05
"""Levels that are looked at: from the waist to below the knees."""
_EARLIEST: Final = 0.55
_WINDOW: Final = 0.3
"""Height of what lies just above and just below a level."""
_FAR_BELOW: Final = 0.8
_CLEARLY: Final = 4.0
"""How many times as likely a colour must be on its own side."""
_FEWEST: Final = 40
"""Pixels that a window has at least."""
_COVERED: Final = 0.35
"""Share of the body that is clothed in a window, at least: below a hem are bare legs."""
_EDGE: Final = 0.12
"""Least strength of an edge."""
_FIRST_OF: Final = 0.55
"""The topmost edge of at least this share of the strongest one's strength is taken: a skirt may end over tights."""
_ABOVE, _BELOW = 0.4, 0.7
"""How far the edge may lie from its level in single columns."""
_MOST_ODDS: Final = 2.5
"""Largest log-odds of one pixel."""
_BEND: Final = 1.5
"""Cost of a pixel's difference between neighbouring columns, in log-odds."""


class Colours:
    """The colours of an image, by their bins."""

    def __init__(self, image: Pixels) -> None:
        """Take an image, RGB uint8 (h, w, 3)."""
        self._lab = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), np.uint8)
        light, a, b = (self._lab[..., channel] >> shift for channel, shift in enumerate(_SHIFTS))
        self._bins = (light.astype(np.int64) * _BINS[1] + a) * _BINS[2] + b

    def likelihood(self, mask: Mask) -> Values:
        """Return the likelihood of each pixel's colour inside the mask, (h, w)."""
        return np.asarray(self._of(mask)[self._bins], np.float32)

    def clearly(self, mask: Mask, other: Mask) -> float:
        """Return the share of the mask's pixels whose colours are clearly more likely there than in ``other``."""
        bins = self._bins[mask]
        return float((self._of(mask)[bins] > _CLEARLY * self._of(other)[bins]).mean())

    def odds(self, one: Mask, other: Mask) -> Values:
        """Return each pixel's log-odds of being of one mask rather than of the other, (h, w); 0 without either."""
        if not (one.any() and other.any()):
            return np.zeros(one.shape, np.float32)
        return np.log(self.likelihood(one)) - np.log(self.likelihood(other))

    def _of(self, mask: Mask) -> Values:
        counts = histogram(self._lab, mask, _BINS)
        return distribution(smoothed(counts, _KERNELS)) + np.float32(_FLOOR)


@dataclass(frozen=True)
class Edge:
    """The edge between two garments."""

    level: float
    """Its place on the axis"""
    strength: float
    """Share of the pixels on either side that tell the two apart, in [0, 1]"""


def find_edge(colours: Colours, clothed: Mask, body: Mask, axis: Values) -> Edge | None:
    """Return the edge of the upper garment, None if there is none that is clear.

    ``clothed`` are pixels of clothes on trunk and legs, ``body`` all pixels there; ``axis`` is each pixel's place
    below the shoulders, in torso lengths. Masks are (h, w).
    """
    levels = np.arange(_FIRST, _LAST, _STEP)
    strengths = np.array([_strength(colours, clothed, body, axis, float(level)) for level in levels])
    padded = np.pad(strengths, 1, mode="edge")
    smooth = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    if smooth.max() < _EDGE:
        return None
    for number in range(1, len(levels) - 1):
        peak = smooth[number - 1] <= smooth[number] >= smooth[number + 1]
        if peak and levels[number] >= _EARLIEST and smooth[number] >= max(_EDGE, _FIRST_OF * smooth.max()):
            return Edge(float(levels[number]), float(smooth[number]))
    return None


def above_edge(colours: Colours, clothed: Mask, thighs: Mask, axis: Values, edge: Edge) -> Mask:
    """Return which pixels (h, w) lie above the edge, as it runs through each column.

    ``thighs`` are pixels on the legs, where no coat hangs beside them.
    """
    upper = clothed & (axis > 0.1) & (axis < edge.level - 0.1)
    lower = clothed & thighs & (axis > edge.level + 0.1) & (axis < edge.level + 1.0)
    if not lower.any():
        lower = clothed & (axis > edge.level + 0.1)
    odds = colours.odds(upper, lower).clip(-_MOST_ODDS, _MOST_ODDS)
    window = (axis > edge.level - _ABOVE) & (axis < edge.level + _BELOW)
    odds[~(clothed & window)] = 0
    odds[axis <= edge.level - _ABOVE] = 0
    rows = _path(odds, window & clothed, axis, edge.level)
    return np.asarray(np.arange(axis.shape[0])[:, None] < rows[None, :])


def _path(odds: Values, window: Mask, axis: Values, level: float) -> NDArray[np.int64]:
    """Return for each column the row at which the lower garment begins, so that most pixels are on their side."""
    columns = np.flatnonzero(window.any(axis=0))
    rows = np.flatnonzero(window.any(axis=1))
    usual: NDArray[np.int64] = np.argmin(np.abs(axis - np.float32(level)), axis=0).astype(np.int64)
    if not len(columns):
        return usual
    first, last = int(rows[0]), int(rows[-1]) + 1
    part = odds[first : last + 1, columns[0] : columns[-1] + 1]
    # Cost of beginning at a row: what is like the lower garment above it, and like the upper one below.
    above = np.cumsum(np.pad(-part, ((1, 0), (0, 0)))[:-1], axis=0)
    height, width = above.shape
    steps = np.abs(np.arange(height)[:, None] - np.arange(height)[None, :]).astype(np.float32) * np.float32(_BEND)
    drift = np.abs(np.arange(height)[:, None] + first - usual[columns[0] : columns[-1] + 1][None, :])
    cost = above + np.float32(0.02) * drift
    best, came = cost[:, 0], np.zeros((height, width), np.int64)
    for column in range(1, width):
        through = best[None, :] + steps
        came[:, column] = through.argmin(axis=1)
        best = cost[:, column] + through.min(axis=1)
    row = int(best.argmin())
    for column in range(width - 1, -1, -1):
        usual[columns[0] + column] = first + row
        row = int(came[row, column])
    usual[: columns[0]] = usual[columns[0]]
    usual[columns[-1] + 1 :] = usual[columns[-1]]
    return usual


def _strength(colours: Colours, clothed: Mask, body: Mask, axis: Values, level: float) -> float:
    """Return the share of the pixels on either side of a level that tell the two sides apart; 0 if too few do."""
    over, under = axis <= level, axis > level
    just_above = clothed & over & (axis > level - _WINDOW)
    just_below = clothed & under & (axis <= level + _WINDOW)
    around = np.count_nonzero(body & under & (axis <= level + _WINDOW))
    few = min(np.count_nonzero(just_above), np.count_nonzero(just_below)) < _FEWEST
    if few or np.count_nonzero(just_below) < _COVERED * around:
        return 0.0
    far_below = clothed & under & (axis <= level + _FAR_BELOW)
    return min(colours.clearly(just_below, clothed & over), colours.clearly(just_above, far_below))

"""Skin distinguished from cloth by the colour of a person's own face, whatever the light on it.

A shadow scales linear light, which scales a, b and L + 16 of CIELAB alike, so a / (L + 16) and b / (L + 16) are the
same on a lit cheek and a shaded shin. Their medians and spreads on the face are the model; no typical colour of skin
is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.annotation.labels.face import Head
from preprocess.formats.images import Mask, Pixels

Values = NDArray[np.float32]

_NARROW: Final = 0.6
"""Share of the face's ellipse whose colours are taken: no hair, no background."""
_DARKEST: Final = 0.3
"""Share of its pixels that are left out: sunglasses, brows, beards, hollows in shadow."""
_LEAST_SPREAD: Final = 0.035
_MOST_SPREAD: Final = 0.08
"""Limits of the standard deviation of either ratio."""
_FEWEST: Final = 24
"""Pixels without which a face is too small, at the size at which it is looked at."""
_LIGHT: Final = (0.4, 1.7)
"""How light skin is at least and at most, as a multiple of the face."""
_BLACK: Final = 12.0
"""L below which a colour is nothing but noise."""


@dataclass(frozen=True)
class Skin:
    """The colours of a person's skin."""

    middle: Values
    """(2,): a and b over L + 16"""
    spread: Values
    """(2,): their standard deviations"""
    light: float
    """L of the face, 0 to 100"""

    def distance(self, image: Pixels) -> Values:
        """Return how far each colour is from skin, in standard deviations, (h, w); infinite if too dark or light."""
        light, ratios = _ratios(image)
        away = np.sqrt((np.square((ratios - self.middle) / self.spread)).sum(axis=-1))
        off = (light < max(_BLACK, _LIGHT[0] * self.light)) | (light > _LIGHT[1] * self.light)
        return np.where(off, np.float32(np.inf), away).astype(np.float32)


def skin_of(image: Pixels, person: Mask, head: Head) -> Skin | None:
    """Return the colours of the face; None if it cannot be seen. ``image`` is RGB uint8 (h, w, 3)."""
    face = head.face(person.shape, _NARROW) & person
    if np.count_nonzero(face) < _FEWEST:
        return None
    light, ratios = _ratios(image)
    lit = face & (light >= np.quantile(light[face], _DARKEST)) & (light > _BLACK)
    if np.count_nonzero(lit) < _FEWEST // 2:
        return None
    middle = np.median(ratios[lit], axis=0)
    spread = 1.48 * np.median(np.abs(ratios[lit] - middle), axis=0)
    return Skin(
        middle.astype(np.float32), spread.clip(_LEAST_SPREAD, _MOST_SPREAD).astype(np.float32),
        float(np.median(light[lit])),
    )  # fmt: skip


def _ratios(image: Pixels) -> tuple[Values, Values]:
    """Return L (h, w), and a and b over L + 16 (h, w, 2)."""
    lab = cv2.cvtColor(image.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    return np.asarray(lab[..., 0], np.float32), np.asarray(lab[..., 1:] / (lab[..., :1] + np.float32(16)), np.float32)

"""Refines a garment's outline at the image's full size, and leaves out the pixels that visibly hold the background.

An outline found in a reduced image is off by a pixel or more of the whole one. Here each pixel near it goes to the side
whose nearby colours it resembles. A pixel of the outline mixes both sides; how much of the background shows depends on
their contrast: white cloth on white needs no rim, black cloth on white needs it all.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.masks import dilated, eroded
from preprocess.formats.images import Mask, Pixels

F32 = NDArray[np.float32]

_SMOOTH = 0.7
"""Blur in pixels against noise."""
_BAND = 2
"""Distance in pixels, on both sides of the outline, within which each pixel of the reduced image is decided again."""
_SIDE = 6
"""Width in pixels of the area on either side of it whose colours are compared."""
_MIXED = 12.0
"""Maximum distance in L*a*b* that the background may shift a pixel of the garment."""
_CONTRAST = 3.0
"""Minimum distance in L*a*b* of the two sides for a pixel to be decided by its colour."""
_OWN_HUE = 2.0
"""Minimum distance in a*b* from the nearby outside of a pixel that is like neither side but garment."""
_MIXING = 0.5
"""Half the width of an outline's mixed pixels, per pixel of the reduced image."""


class Refined(NamedTuple):
    """A garment's outline at full size."""

    mask: Mask
    """(h, w)"""
    clean: Mask
    """(h, w): where no background shows"""

    def without_rim(self, width: int) -> Mask:
        """Return the mask without those of the outermost ``width`` pixels in which the background shows."""
        return self.mask & (eroded(self.mask, width) | self.clean)


def refined(lab: F32, mask: Mask, scale: float) -> Refined:
    """Return the mask (h, w), decided again near its outline.

    ``lab`` is the image's `smooth_lab`, ``scale`` that of the reduced image in which the mask was found.
    """
    band = max(2, round(_BAND / scale))
    core, outside = eroded(mask, band), ~dilated(mask, band)
    sides = _sides(lab, core, outside, band + _SIDE)
    towards = sides.inside - sides.outside
    square = np.square(towards).sum(axis=-1)
    contrast = np.sqrt(square) * sides.known
    beyond = lab - sides.outside
    share = (beyond * towards).sum(axis=-1) / np.maximum(square, 1e-3)
    decided = ~core & ~outside & (contrast > _CONTRAST)
    found = np.where(decided, share > 0.5, mask)
    # A pixel may be like neither side: pale cloth beside a dark print. A mixed one is not, and mixed ones are few.
    lost = mask & ~found & (np.square(beyond[..., 1:]).sum(axis=-1) > _OWN_HUE * _OWN_HUE)
    wide = max(1, round(_MIXING / scale))
    found |= dilated(eroded(lost, wide), wide) & lost
    return Refined(found, (1 - share) * contrast < _MIXED)


def smooth_lab(pixels: Pixels) -> F32:
    """Return RGB uint8 (h, w, 3) in L*a*b*, with less noise."""
    smooth = cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), _SMOOTH) / np.float32(255)
    return np.asarray(cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB), np.float32)


class _Sides(NamedTuple):
    """The mean colours of the nearby inside and outside (h, w, 3), and where (h, w) both are near."""

    inside: F32
    outside: F32
    known: Mask


def _sides(lab: F32, inside: Mask, outside: Mask, radius: int) -> _Sides:
    window = (2 * radius + 1, 2 * radius + 1)
    means = []
    known = np.ones(inside.shape, np.bool_)
    for side in (inside, outside):
        weight = cv2.boxFilter(side.astype(np.float32), -1, window, normalize=False)
        total = cv2.boxFilter(lab * side[..., None], -1, window, normalize=False)
        means.append(np.asarray(total / np.maximum(weight, 1.0)[..., None], np.float32))
        known &= weight > 0.5
    return _Sides(means[0], means[1], known)

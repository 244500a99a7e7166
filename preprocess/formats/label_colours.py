"""Label maps painted in the colours of a known palette: each colour is turned back into its label's number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from preprocess.label_tables import PALETTES

Numbers = NDArray[np.uint8]

_NEAR = 2
"""Tolerance of colours in levels: some programs write 254 for 255."""
_BLURRED = 24
"""The same for an image with averaged borders, such as a JPEG; the palettes' colours are at least 34 levels apart."""
_PAINTED = 0.9
"""Minimum share of the pixels that must have a palette's colour for an averaged image to be taken as painted in it."""


def numbers_of(pixels: NDArray[np.uint8], lossy: bool) -> tuple[Numbers, NDArray[np.bool_] | None] | None:
    """Return the label numbers of a painted map, RGB (h, w, 3), and the pixels of no palette's colour, None for none.

    None if the colours are no known palette's, or two palettes' that disagree. ``lossy``: the file is a JPEG.
    """
    packed = (pixels.astype(np.uint32) * np.array([65536, 256, 1], np.uint32)).sum(axis=-1, dtype=np.uint32)
    values, inverse, counts = np.unique(packed, return_inverse=True, return_counts=True)
    if values.size > 256 and not lossy and counts[counts > pixels.shape[0]].sum() < _PAINTED * packed.size:
        return None
    colours = np.stack([values >> 16, values >> 8 & 255, values & 255], axis=-1).astype(np.int16)
    averaged = lossy or values.size > 64
    found = [one for palette in PALETTES if (one := _named(colours, counts, palette, averaged)) is not None]
    if not found or any((one != found[0]).any() for one in found[1:]):
        return None
    numbers = found[0]
    stray = numbers < 0
    flat = np.where(stray, 0, numbers).astype(np.uint8)[inverse.ravel()].reshape(packed.shape)
    return flat, stray[inverse.ravel()].reshape(packed.shape) if stray.any() else None


def _named(
    colours: NDArray[np.int16], counts: NDArray[np.int64], palette: tuple[tuple[int, int, int], ...], averaged: bool
) -> NDArray[np.int64] | None:
    """Return the number of each colour, -1 for those of no label; None if it is another palette."""
    known = np.array(palette, np.int16)
    distance = np.empty((len(colours), len(known)), np.int16)
    for number, colour in enumerate(known):
        distance[:, number] = np.abs(colours - colour).max(axis=-1)
    nearest = distance.min(axis=1)
    numbers = distance.argmin(axis=1)
    if not averaged:
        return numbers if (nearest <= _NEAR).all() else None
    numbers[nearest > _BLURRED] = -1
    share = counts[numbers >= 0].sum() / counts.sum()
    painted = counts[(numbers > 0)].sum()
    return numbers if share >= _PAINTED and painted else None

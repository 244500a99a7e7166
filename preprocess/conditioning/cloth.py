"""Skin or cloth: polygons are imprecise by a few pixels, so near the garment a pixel's colour decides what it shows."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.pictures import Mask, Pixels

_BINS = 16
"""Steps of each colour channel in the histograms."""
_NEAR = 3
"""How far around a contested pixel colours are taken from, in pixels."""
_SHARE = 0.35
"""Share of the body's colour in a contested pixel from which on it is painted as the body's."""
_ALIKE = 24.0
"""Distance in RGB levels below which two colours cannot be told apart."""
_BLUR = (1.0, 4.0, 6.0, 4.0, 1.0)
"""Colours this near to one that was seen count too, by less: edges are mixtures, light falls off."""


def shows_cloth(square: Pixels, zone: Mask, part: Mask, cloth: Mask, odds: float) -> Mask:
    """Return those pixels of ``zone`` whose colour is that of the cloth rather than that of the part of the body.

    ``part`` and ``cloth`` say where either is seen for sure. A pixel is cloth where its colour is at least ``odds``
    times as likely on the cloth as on the part; a colour met on neither counts as cloth, so that doubt hides.
    All masks are (side, side), as is the result; ``square`` is RGB uint8.
    """
    result = np.zeros_like(zone)
    x, y, width, height = cv2.boundingRect(zone.view(np.uint8))
    if not width:
        return result
    box = slice(y, y + height), slice(x, x + width)
    where = zone[box]
    index = _bin_numbers(square[box][where])
    likely_cloth, likely_part = (_likelihood(square, mask)[index] for mask in (cloth, part))
    result[box][where] = likely_cloth > odds * likely_part
    return result


def repaint(picture: Pixels, contested: Mask, part: Mask, cloth: Mask) -> Mask:
    """Give those ``contested`` pixels that are rather the body's than the cloth's the body's colour near by, in place.

    Along an edge a pixel is a mixture, so it is never shown as it was photographed. Whose it is rather, is told by
    how far it lies on the line from the cloth's colour near by to the body's; where these two are alike, it is the
    body's. ``part`` and ``cloth`` say where either is seen for sure. All masks are (side, side); ``picture`` is RGB
    uint8. Returns what was repainted.
    """
    result = np.zeros_like(contested)
    x, y, width, height = cv2.boundingRect(contested.view(np.uint8))
    if not width:
        return result
    top, left = max(0, y - _NEAR), max(0, x - _NEAR)
    box = slice(top, y + height + _NEAR), slice(left, x + width + _NEAR)
    where = contested[box]
    colours = picture[box].astype(np.float32)
    body, fabric = (_colour_near_by(colours, mask[box])[where] for mask in (part, cloth))
    across = body - fabric
    length = np.square(across).sum(axis=1)
    mixture = ((colours[where] - fabric) * across).sum(axis=1)
    of_body = (mixture > _SHARE * length) | (length < _ALIKE**2) | np.isnan(fabric[:, 0])
    of_body &= ~np.isnan(body[:, 0])
    result[box][where] = of_body
    picture[result] = np.rint(body[of_body])
    return result


def _colour_near_by(colours: NDArray[np.float32], mask: Mask) -> NDArray[np.float32]:
    """Return the mean colour (h, w, 3) of the masked pixels around each pixel, NaN where there is none."""
    window = (2 * _NEAR + 1, 2 * _NEAR + 1)
    weight = cv2.boxFilter(mask.astype(np.float32), -1, window, normalize=False)
    total = cv2.boxFilter(colours * mask[..., None], -1, window, normalize=False)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / np.rint(weight)[..., None], np.float32)


def _bin_numbers(colours: NDArray[np.uint8]) -> NDArray[np.int64]:
    steps = (colours // (256 // _BINS)).astype(np.int64)
    numbers: NDArray[np.int64] = (steps[:, 0] * _BINS + steps[:, 1]) * _BINS + steps[:, 2]
    return numbers


def _likelihood(square: Pixels, mask: Mask) -> NDArray[np.float32]:
    """Return how likely each colour is where ``mask`` is, flat (bins³,); all zeros for an empty mask."""
    counts = cv2.calcHist([square], [0, 1, 2], mask.view(np.uint8), [_BINS] * 3, [0, 256] * 3)
    kernel = np.asarray(_BLUR, np.float32) / np.float32(sum(_BLUR))
    for axis in range(3):
        counts = np.apply_along_axis(np.convolve, axis, counts, kernel, "same")
    total = float(counts.sum())
    likelihood: NDArray[np.float32] = (counts / total if total else counts).astype(np.float32).ravel()
    return likelihood

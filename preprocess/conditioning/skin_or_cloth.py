"""Skin or cloth: polygons are imprecise by a few pixels, so near the garment a pixel's colour decides what it shows."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.colours import distribution, histogram, smeared
from preprocess.conditioning.masks import box_of
from preprocess.formats.images import Mask, Pixels

_BINS = 16
"""Steps of each colour channel in the histograms."""
_NEAR = 3
"""How far around a contested pixel colours are taken from, in pixels."""
_SHARE = 0.35
"""Share of the body's colour in a contested pixel from which on it is painted as the body's."""
_ALIKE = 24.0
"""Distance in RGB levels below which two colours cannot be told apart."""
_BLUR = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""Colours this near to one that was seen count too, by less: edges are mixtures, light falls off."""


def likelihood(square: Pixels, mask: Mask) -> NDArray[np.float32]:
    """Return how likely each colour is where ``mask`` is, flat, of sum 1; all zeros for an empty mask."""
    return distribution(smeared(histogram(square, mask, (_BINS,) * 3), (_BLUR,) * 3))


def shows_cloth(
    square: Pixels, zone: Mask, part: NDArray[np.float32], cloth: NDArray[np.float32], odds: float
) -> Mask:  # fmt: skip
    """Return those pixels of ``zone`` (h, w) whose colour is rather the cloth's than the part of the body's.

    ``part`` and ``cloth`` say how likely colours are on either (see `likelihood`). A pixel is cloth where its colour
    is more than ``odds`` times as likely on the cloth. ``square`` is RGB uint8 (h, w, 3).
    """
    result = np.zeros_like(zone)
    index = _bin_numbers(square[zone])
    result[zone] = cloth[index] > odds * part[index]
    return result


def repaint(image: Pixels, contested: Mask, part: Mask, cloth: Mask) -> Mask:
    """Give those ``contested`` pixels that are rather the body's than the cloth's the body's colour near by, in place.

    Along an edge a pixel is a mixture, so it is never shown as it was photographed. Whose it is rather, is told by
    how far it lies on the line from the cloth's colour near by to the body's; where these two are alike, it is the
    body's. ``part`` and ``cloth`` say where either is seen for sure. All masks are (h, w); ``image`` is RGB uint8.
    Returns what was repainted.
    """
    result = np.zeros_like(contested)
    box = box_of(contested, _NEAR)
    if box is None:
        return result
    where = contested[box]
    body, fabric = (_colour_near_by(image[box], mask[box], where) for mask in (part, cloth))
    across = body - fabric
    length = np.square(across).sum(axis=1)
    mixture = ((image[box][where] - fabric) * across).sum(axis=1)
    of_body = (mixture > _SHARE * length) | (length < _ALIKE**2) | np.isnan(fabric[:, 0])
    of_body &= ~np.isnan(body[:, 0])
    result[box][where] = of_body
    image[result] = np.rint(body[of_body])
    return result


def paint_from(image: Pixels, zone: Mask, source: Mask) -> None:
    """Give each pixel of ``zone`` the colour of the nearest one of ``source``, in place; both are (h, w).

    ``source`` must not be empty.
    """
    _, nearest = cv2.distanceTransformWithLabels(
        (~source).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((int(nearest.max()) + 1, 3), np.uint8)
    colours[nearest[source]] = image[source]
    image[zone] = colours[nearest[zone]]


def _colour_near_by(colours: Pixels, mask: Mask, where: Mask) -> NDArray[np.float32]:
    """Return the mean colour of the masked pixels around each pixel of ``where``, NaN where there is none."""
    window = (2 * _NEAR + 1, 2 * _NEAR + 1)
    # Whole numbers: 49 pixels of 255 fit 16 bits, and only sums where they are asked for are divided.
    seen = mask.view(np.uint8)
    weight = cv2.boxFilter(seen, cv2.CV_16U, window, normalize=False)[where]
    total = cv2.boxFilter(cv2.copyTo(colours, seen), cv2.CV_16U, window, normalize=False)[where]
    with np.errstate(invalid="ignore", divide="ignore"):
        return total.astype(np.float32) / weight.astype(np.float32)[:, None]


def _bin_numbers(colours: NDArray[np.uint8]) -> NDArray[np.int64]:
    steps = (colours // (256 // _BINS)).astype(np.int64)
    numbers: NDArray[np.int64] = (steps[:, 0] * _BINS + steps[:, 1]) * _BINS + steps[:, 2]
    return numbers

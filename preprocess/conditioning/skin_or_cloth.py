"""Skin or cloth: polygons are off by a few pixels, so near the garment a pixel is classified by its colour."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.colours import distribution, histogram, smoothed
from preprocess.conditioning.masks import box_of
from preprocess.formats.images import Mask, Pixels

_BINS = 16
"""Bins of each colour channel in the histograms."""
_NEAR = 3
"""Radius in pixels around a contested pixel from which colours are taken."""
_SHARE = 0.35
"""Minimum share of the body's colour in a contested pixel for it to be painted as body."""
_ALIKE = 24.0
"""Distance in RGB levels below which two colours are indistinguishable."""
_BLUR = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""Smoothing kernel: similar colours count too, with a lower weight, since edges are mixtures and the light varies."""


def likelihood(square: Pixels, mask: Mask) -> NDArray[np.float32]:
    """Return the likelihood of each colour inside ``mask``, flat, sums to 1; all zeros for an empty mask."""
    return distribution(smoothed(histogram(square, mask, (_BINS,) * 3), (_BLUR,) * 3))


def shows_cloth(
    square: Pixels, zone: Mask, part: NDArray[np.float32], cloth: NDArray[np.float32], odds: float
) -> Mask:  # fmt: skip
    """Return the pixels of ``zone`` (h, w) whose colour is more likely cloth than the part of the body.

    ``part`` and ``cloth`` are the likelihoods of colours on each (see `likelihood`). A pixel is cloth if its colour is
    more than ``odds`` times as likely on the cloth. ``square`` is RGB uint8 (h, w, 3).
    """
    result = np.zeros_like(zone)
    index = colour_bins(square[zone])
    result[zone] = cloth[index] > odds * part[index]
    return result


def repaint(image: Pixels, contested: Mask, part: Mask, cloth: Mask) -> Mask:
    """Repaint ``contested`` pixels that are body rather than cloth with the nearby colour of the body, in place.

    A pixel along an edge is a mixture, so its photographed colour is never kept. It is classified by its position on
    the line from the nearby colour of the cloth to that of the body; if these two are indistinguishable, it is body.
    ``part`` and ``cloth`` are the masks of pixels that certainly show either. All masks are (h, w); ``image`` is RGB
    uint8. Return the mask of repainted pixels.
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
    """Paint each pixel of ``zone`` with the colour of the nearest one of ``source``, in place; both are (h, w).

    ``source`` must not be empty.
    """
    _, nearest = cv2.distanceTransformWithLabels(
        (~source).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((int(nearest.max()) + 1, 3), np.uint8)
    colours[nearest[source]] = image[source]
    image[zone] = colours[nearest[zone]]


def _colour_near_by(colours: Pixels, mask: Mask, where: Mask) -> NDArray[np.float32]:
    """Return the mean colour of the masked pixels around each pixel of ``where``, NaN if there are none."""
    window = (2 * _NEAR + 1, 2 * _NEAR + 1)
    # Integers: the sum of 49 pixels of 255 fits in 16 bits, and only the sums at ``where`` are divided.
    included = mask.view(np.uint8)
    weight = cv2.boxFilter(included, cv2.CV_16U, window, normalize=False)[where]
    total = cv2.boxFilter(cv2.copyTo(colours, included), cv2.CV_16U, window, normalize=False)[where]
    with np.errstate(invalid="ignore", divide="ignore"):
        return total.astype(np.float32) / weight.astype(np.float32)[:, None]


def colour_bins(colours: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the position in a `likelihood` of each colour (..., 3)."""
    steps = (colours // (256 // _BINS)).astype(np.int64)
    numbers: NDArray[np.int64] = (steps[..., 0] * _BINS + steps[..., 1]) * _BINS + steps[..., 2]
    return numbers

"""Texture and sharpness of an image, against a photograph: fixed filters, no network.

PSNR prefers a blurred pattern to one that is a pixel off. Here local statistics are compared: how strong edges are, in
which direction and at which scale, averaged over windows, so that a shift costs little and blur costs its full share.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from train.data.shards import Pixels
from train.evaluation.paired import Mask

_Map = NDArray[np.float32]

SCALES = (1.0, 2.0, 4.0)
"""Standard deviations of the derivative filters, in pixels of the image."""
WINDOW = 8
"""Side of the windows of averaging, in standard deviations of their filter."""
VISIBLE = 4 / 255
"""Amplitude below which a texture hardly counts: noise of plain cloth."""
_ORIENTATIONS = tuple(np.pi * n / 4 for n in range(4))


def texture_distance(picture: Pixels, truth: Pixels, where: Mask) -> float:
    """Return how far the texture of uint8 images (H, W, 3) differs over ``where`` (H, W): 0 equal, 1 nothing in common.

    Of each window, scale, direction and channel (grey and two opponent colours) a is the root mean square of the
    derivative, and the distance of one scale is √(Σ (a - a')² / Σ (a² + a'²)): 1 for a flat image, and for texture in
    other places. The result is the mean over scales, weighted by how visible their texture is in either image. Pixels
    outside of ``where`` are not used.
    """
    made, true = _opponent(picture), _opponent(truth)
    share = where.astype(np.float32)
    total = weights = 0.0
    for sigma in SCALES:
        one, other = (_amplitudes(image, share, sigma)[:, where].astype(float) for image in (made, true))
        energy = float((np.square(one) + np.square(other)).sum(axis=0).mean())
        weight = energy / (energy + VISIBLE**2)
        if energy:
            total += weight * float(np.sqrt(np.square(one - other).sum(axis=0).mean() / energy))
        weights += weight
    return total / max(1.0, weights)


def high_frequency_energy(image: Pixels, where: Mask) -> float:
    """Return the sum over ``where`` of what a Gaussian of 1 pixel removes from an image's grey values, squared.

    Pixels outside of ``where`` are not used: the seam to what Ia shows is no sharpness.
    """
    grey = _opponent(image)[0]
    fine = grey - _smooth(grey, where.astype(np.float32), 1.0)
    return float(np.square(fine[where]).sum(dtype=float))


def _opponent(image: Pixels) -> _Map:
    """Return grey, red against green, and yellow against blue, (3, H, W)."""
    red, green, blue = np.moveaxis(image.astype(np.float32) / 255, 2, 0)
    return np.stack([(red + green + blue) / 3, (red - green) / 2, (red + green - 2 * blue) / 4])


def _smooth(channel: _Map, share: _Map, sigma: float) -> _Map:
    """Return a Gaussian average over the pixels of ``share`` alone."""
    total, weight = (cv2.GaussianBlur(each, (0, 0), sigma) for each in (channel * share, share))
    return np.asarray(total / np.maximum(weight, 1e-6), np.float32)


def _amplitudes(channels: _Map, share: _Map, sigma: float) -> _Map:
    """Return root mean square derivatives in windows, (3 channels × 4 directions, H, W), over pixels of ``share``."""
    side = (round(WINDOW * sigma) | 1,) * 2
    weight = cv2.boxFilter(share, -1, side, borderType=cv2.BORDER_CONSTANT)

    def averaged(energy: _Map) -> _Map:
        total = cv2.boxFilter(energy * share, -1, side, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(total / np.maximum(weight, 1e-6), np.float32)

    found = []
    for channel in channels:
        smooth = _smooth(channel, share, sigma)
        dx, dy = (cv2.Sobel(smooth, -1, *order, ksize=3, scale=sigma / 8) for order in ((1, 0), (0, 1)))
        xx, xy, yy = averaged(dx * dx), averaged(dx * dy), averaged(dy * dy)
        for angle in _ORIENTATIONS:
            c, s = float(np.cos(angle)), float(np.sin(angle))
            found.append(np.sqrt(np.maximum(c * c * xx + 2 * c * s * xy + s * s * yy, 0)))
    return np.stack(found)

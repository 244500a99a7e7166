"""Texture and sharpness of an image, against a photograph: fixed filters, no network.

PSNR prefers a blurred pattern to one that is a pixel off. Here local statistics are compared: how strong edges are, in
which direction and at which scale, averaged over windows, so that a shift costs little and blur costs its full share.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from train.data.shards import Pixels

Mask = NDArray[np.bool_]
_Map = NDArray[np.float32]

SCALES = (1.0, 2.0, 4.0)
"""Standard deviations of the derivative filters, in pixels of the image."""
WINDOW = 8
"""Side of the windows of averaging, in standard deviations of their filter."""
VISIBLE = 2 / 255
"""Amplitude below which differences hardly count: noise of plain cloth."""
_ORIENTATIONS = tuple(np.pi * n / 4 for n in range(4))


def texture_distance(picture: Pixels, truth: Pixels, where: Mask) -> float:
    """Return how far the texture of uint8 images (H, W, 3) differs over ``where`` (H, W): 0 equal, 1 nothing in common.

    Of each window, scale, direction and channel (grey and two opponent colours) a is the root mean square of the
    derivative. Distance of one scale: √(Σ (a - a')² / Σ (a² + a'² + 2 VISIBLE²)); the result is the mean over scales. A
    flat image has distance 1 from any visible texture, and so has a texture of other directions or other places.
    """
    made, true = _opponent(picture), _opponent(truth)
    share = where.astype(np.float32)
    distances = []
    for sigma in SCALES:
        one, other = (_amplitudes(image, share, sigma)[:, where] for image in (made, true))
        scale = np.square(one) + np.square(other) + 2 * VISIBLE**2
        distances.append(float(np.sqrt(np.square(one - other).sum(dtype=float) / scale.sum(dtype=float))))
    return float(np.mean(distances))


def high_frequency_energy(image: Pixels, where: Mask) -> float:
    """Return the sum over ``where`` of what a Gaussian of 1 pixel removes from an image's grey values, squared."""
    grey = _opponent(image)[0]
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 1.0)
    # Where the hidden region meets what Ia shows, a seam would count as sharpness.
    core = cv2.erode(where.view(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    return float(np.square(fine[core if core.any() else where]).sum(dtype=float))


def _opponent(image: Pixels) -> _Map:
    """Return grey, red against green, and yellow against blue, (3, H, W)."""
    red, green, blue = np.moveaxis(image.astype(np.float32) / 255, 2, 0)
    return np.stack([(red + green + blue) / 3, (red - green) / 2, (red + green - 2 * blue) / 4])


def _amplitudes(channels: _Map, share: _Map, sigma: float) -> _Map:
    """Return root mean square derivatives in windows, (3 channels × 4 directions, H, W), over pixels of ``share``."""
    side = (round(WINDOW * sigma) | 1,) * 2
    weight = cv2.boxFilter(share, -1, side, borderType=cv2.BORDER_CONSTANT)

    def averaged(energy: _Map) -> _Map:
        total = cv2.boxFilter(energy * share, -1, side, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(total / np.maximum(weight, 1e-6), np.float32)

    found = []
    for channel in channels:
        smooth = cv2.GaussianBlur(channel, (0, 0), sigma)
        dx, dy = (cv2.Sobel(smooth, -1, *order, ksize=3, scale=sigma / 8) for order in ((1, 0), (0, 1)))
        xx, xy, yy = averaged(dx * dx), averaged(dx * dy), averaged(dy * dy)
        for angle in _ORIENTATIONS:
            c, s = float(np.cos(angle)), float(np.sin(angle))
            found.append(np.sqrt(np.maximum(c * c * xx + 2 * c * s * xy + s * s * yy, 0)))
    return np.stack(found)

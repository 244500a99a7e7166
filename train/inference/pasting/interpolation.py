"""Smooth interpolation of values that are known in places, in coarse-to-fine steps (pull-push)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
Weights = NDArray[np.float32]

_LEAST = np.float32(1e-6)


def interpolated(values: Values, weights: Weights) -> Values:
    """Return values (h, w, c) that are as given where their weight (h, w) is 1, and continue smoothly where it is 0.

    Each level halves the image, averages what is known, and fills the gaps of the finer level with it: close to a
    membrane between the known values, at the cost of a few resizes. Zeros if nothing is known.
    """
    height, width = weights.shape
    if max(height, width) == 1:
        return values * (weights[..., None] > 0)
    half = ((width + 1) // 2, (height + 1) // 2)
    share = _resized(weights[..., None], half, cv2.INTER_AREA)
    mean = _resized(values * weights[..., None], half, cv2.INTER_AREA) / np.maximum(share, _LEAST)
    # A cell counts as known as soon as a quarter of it is.
    coarse = interpolated(np.asarray(mean, np.float32), np.minimum(1, 4 * share[..., 0]).astype(np.float32))
    filled = _resized(coarse, (width, height), cv2.INTER_LINEAR)
    return np.asarray(filled + (values - filled) * weights[..., None], np.float32)


def _resized(image: Values, size: tuple[int, int], how: int) -> Values:
    """Resize (h, w, c); cv2 drops an axis of one channel."""
    return np.asarray(cv2.resize(image, size, interpolation=how), np.float32).reshape(size[1], size[0], image.shape[2])

"""Distributions of colours: three-dimensional histograms, smeared so that near colours count too."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.pictures import Mask, Pixels

Counts = NDArray[np.float32]
"""One number per colour bin, in three dimensions."""


def histogram(pixels: Pixels, mask: Mask, bins: tuple[int, int, int]) -> Counts:
    """Count the colours of three channels of 0..255 where the mask is."""
    found = cv2.calcHist([pixels], [0, 1, 2], mask.view(np.uint8), list(bins), [0, 256] * 3)
    return np.asarray(found, np.float32)


def smeared(counts: Counts, kernels: tuple[NDArray[np.float32], ...]) -> Counts:
    """Convolve with one odd, symmetric kernel per axis; what would leave the range is lost."""
    for kernel in kernels:
        rows = counts.reshape(counts.shape[0], -1)
        along = cv2.filter2D(rows, -1, kernel[:, None], borderType=cv2.BORDER_CONSTANT)
        # The next axis comes first; after all three they are in their old order again.
        counts = np.ascontiguousarray(np.moveaxis(along.reshape(counts.shape), 0, -1))
    return counts


def distribution(counts: Counts) -> NDArray[np.float32]:
    """Return the counts as a flat distribution of sum 1; all zeros where nothing was counted."""
    total = float(counts.sum())
    flat: NDArray[np.float32] = (counts / total if total else counts).ravel()
    return flat

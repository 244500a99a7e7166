"""Distributions of colours: three-dimensional histograms, smoothed so that similar colours count too."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.formats.images import Mask, Pixels

Counts = NDArray[np.float32]
"""One number per colour bin, in three dimensions."""
Kernel = tuple[float, ...]
"""An odd number of symmetric weights."""


def histogram(pixels: Pixels, mask: Mask, bins: tuple[int, int, int]) -> Counts:
    """Count the colours, three channels of 0..255, inside the mask."""
    found = cv2.calcHist([pixels], [0, 1, 2], mask.view(np.uint8), list(bins), [0, 256] * 3)
    return np.asarray(found, np.float32)


def smoothed(counts: Counts, kernels: tuple[Kernel, ...]) -> Counts:
    """Convolve with one odd, symmetric kernel per axis; values beyond the range are dropped.

    Kernels whose weights are multiples of a power of two give the same bits on every processor: float64 represents
    every sum of counts times such weights exactly, in any order of summation.
    """
    first, second, third = (_band(kernel, size) for kernel, size in zip(kernels, counts.shape, strict=True))
    planes = (first @ counts.reshape(counts.shape[0], -1).astype(np.float64)).reshape(counts.shape)
    return np.asarray(second @ planes @ third, np.float32)


@lru_cache
def _band(kernel: Kernel, size: int) -> NDArray[np.float64]:
    """Return the symmetric matrix that convolves an axis of the given size with the kernel."""
    middle = len(kernel) // 2
    band = np.zeros((size, size))
    for step, weight in enumerate(kernel, -middle):
        band += np.diag(np.full(size - abs(step), weight), step)
    return band


def distribution(counts: Counts) -> NDArray[np.float32]:
    """Return the counts as a flat distribution of sum 1; all zeros if nothing was counted."""
    total = float(counts.sum())
    flat: NDArray[np.float32] = (counts / total if total else counts).ravel()
    return flat

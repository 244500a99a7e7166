"""PSNR and SSIM against ground truth: over the whole image, inside and outside the region masked in Ia."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio

from schemas import MID_GREY
from train.data.augment import Box
from train.data.shards import Pixels

Mask = NDArray[np.bool_]

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2
"""SSIM's constants for values in [0, 1]."""


def hidden(Ia: Pixels, size: int) -> Mask:
    """Return where ``Ia`` (H, H, 3) is mid-grey, as (size, size): the region the cascade has to generate.

    When downscaled, a pixel is hidden if at least half of its source area is.
    """
    grey = (Ia == MID_GREY).all(axis=2).astype(np.float32)
    how = cv2.INTER_AREA if size <= grey.shape[0] else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(grey, (size, size), interpolation=how) >= 0.5)


def within_photo(box: Box, size: int) -> tuple[slice, slice]:
    """Return the rows and columns of an image of ``size`` that lie inside its photograph: beyond, all is mid-grey.

    ``box`` is its left, top, right, bottom in [0, 1] of the image.
    """
    left, top, right, bottom = (round(edge * size) for edge in box)
    return slice(top, bottom), slice(left, right)


def image_quality(picture: Pixels, truth: Pixels, inside: Mask) -> dict[str, float]:
    """Compare an image with the ground truth, both uint8 (H, W, 3), sides ≥ 11.

    Returns `psnr` in dB and `ssim` (Gaussian window, σ = 1.5), and both with `_inside` and `_outside`, over the
    pixels where ``inside`` (H, W) is true and where it is not; SSIM's windows reach beyond. An empty region
    is omitted; the PSNR of equal images is infinite.
    """
    made, true = _unit(picture), _unit(truth)
    similarity = structural_similarity(picture, truth)
    quality: dict[str, float] = {}
    for name, where in (("", np.ones_like(inside)), ("_inside", inside), ("_outside", ~inside)):
        if where.any():
            chosen = torch.from_numpy(where)
            psnr = peak_signal_noise_ratio(made[0, :, chosen], true[0, :, chosen], data_range=1.0)
            quality[f"psnr{name}"] = psnr.item()
            quality[f"ssim{name}"] = float(similarity[where].mean())
    return quality


def structural_similarity(picture: Pixels, truth: Pixels) -> NDArray[np.float64]:
    """Return the SSIM of every pixel and channel (H, W, 3), as torchmetrics defines it: windows are mirrored at edges.

    The window is separable, and so filtered along rows and columns, which is much faster than torchmetrics' window.
    """
    made, true = picture / 255.0, truth / 255.0
    mean, true_mean = _windowed(made), _windowed(true)
    variance = np.maximum(_windowed(made * made) - mean * mean, 0)
    true_variance = np.maximum(_windowed(true * true) - true_mean * true_mean, 0)
    covariance = _windowed(made * true) - mean * true_mean
    brightness = (2 * mean * true_mean + _C1) / (mean * mean + true_mean * true_mean + _C1)
    contrast_and_structure = (2 * covariance + _C2) / (variance + true_variance + _C2)
    return np.asarray(brightness * contrast_and_structure, np.float64)


def _windowed(image: NDArray[np.float64]) -> NDArray[np.float64]:
    blurred = cv2.GaussianBlur(image, (_WINDOW, _WINDOW), _SIGMA, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(blurred, np.float64)


def enlarged(picture: Pixels, size: int) -> Pixels:
    """Upsample an image (h, h, 3) bicubically to ``size``: the baseline of a super-resolution stage."""
    return np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)


def _unit(picture: Pixels) -> Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None].double() / 255.0

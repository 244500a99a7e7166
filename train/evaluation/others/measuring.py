"""Metrics of images that another system made: `measure_images`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from common.text import counted
from train.data.batches import to_tensor
from train.data.shards import Pixels
from train.diffusion.conditioning import from_uint8
from train.evaluation.distribution import distances, few_images
from train.evaluation.means import Means
from train.evaluation.networks import ALEXNET, INCEPTION, checksums, load_inception, load_lpips, missing
from train.evaluation.others.comparisons import Comparisons
from train.evaluation.paired import image_quality

FidResize = Literal["network", "clean"]
"""How images come to Inception's 299²: by its own bilinear resize, as FID's first code, or as clean-fid does."""

_INCEPTION_SIDE = 299
_HOW = {
    "network": "by the network's own bilinear resize to 299², as in FID's first code",
    "clean": "to 299² by Pillow's bicubic filter on each channel in float32, as in clean-fid, then rounded to 8 bits",
}
_SSIM = "RGB in [0, 1], Gaussian window of 11 and σ = 1.5, edges mirrored, mean over pixels and channels"
_LPIPS = "version 0.1, AlexNet, RGB in [-1, 1], at that size"


@dataclass
class ImageMetrics:
    """The metrics and how they were measured."""

    images: int
    paired: int
    """Images in their own garment, of which PSNR, SSIM and LPIPS are."""
    metrics: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    protocol: dict[str, str] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)


def measure_images(
    comparisons: Comparisons,
    weights: Path | None,
    fid_resize: FidResize,
    seed: int,
    progress: Callable[[int, int], None],
) -> ImageMetrics:
    """Compare images with photographs: pixel by pixel where they are paired, and as sets.

    Networks come from ``weights``. Raise UserError if an image cannot be compared.
    """
    result = ImageMetrics(len(comparisons), 0, left_out=missing(weights), weights=checksums(weights))
    lpips = load_lpips(weights / ALEXNET) if weights and "lpips" not in result.left_out else None
    extract = load_inception(weights / INCEPTION) if weights and "fid" not in result.left_out else None
    means = Means()
    features: dict[bool, list[Tensor]] = {True: [], False: []}
    for number, one in enumerate(comparisons):
        progress(number, len(comparisons))
        if one.paired:
            result.paired += 1
            known = one.hidden is not None
            inside = one.hidden if one.hidden is not None else np.ones(one.image.shape[:2], np.bool_)
            figures = image_quality(one.image, one.truth, inside)
            if lpips is not None:
                figures["lpips"] = lpips(*(from_uint8(to_tensor([image])) for image in (one.image, one.truth))).item()
            means.add({name: value for name, value in figures.items() if known or not name.endswith("side")})
        if extract is not None:
            for real, image in ((False, one.image), (True, one.truth)):
                features[real].append(extract(to_tensor([for_inception(image, fid_resize)])))
    progress(len(comparisons), len(comparisons))
    result.metrics = means.values()
    if extract is not None and result.images > 1:
        result.metrics |= distances(torch.cat(features[True]), torch.cat(features[False]), seed)
        result.warnings += few_images(result.images)
    elif extract is not None:
        result.left_out |= dict.fromkeys(("fid", "kid"), "needs at least two images")
    if not result.paired:
        result.left_out |= dict.fromkeys(("psnr", "ssim", "lpips"), "no image is in its own garment")
    result.protocol = {
        **comparisons.protocol, "ssim": _SSIM, "lpips": _LPIPS,
        "fid, kid": f"Inception's features of images resized {_HOW[fid_resize]}",
        "kid": f"mean over 100 subsets of at most 1,000 images, seed {seed}",
    }  # fmt: skip
    return result


def for_inception(image: Pixels, how: FidResize) -> Pixels:
    """Return an image as it is given to Inception."""
    if how == "network":
        return image
    size = (_INCEPTION_SIDE, _INCEPTION_SIDE)
    channels = [
        np.asarray(Image.fromarray(image[..., channel].astype(np.float32)).resize(size, Image.Resampling.BICUBIC))
        for channel in range(3)
    ]
    return np.asarray(np.rint(np.stack(channels, axis=2).clip(0, 255)), np.uint8)


def as_json(result: ImageMetrics) -> dict[str, Any]:
    """Return one object: `metrics`, `left_out`, `warnings`, `images`, `paired`, `protocol` and the `weights`' sums."""
    return {
        "metrics": result.metrics, "left_out": result.left_out, "warnings": result.warnings, "images": result.images,
        "paired": result.paired, "protocol": result.protocol, "weights": result.weights,
    }  # fmt: skip


_NAMES = {
    "psnr": "PSNR, dB", "psnr_inside": "  where Ia hides", "psnr_outside": "  elsewhere", "ssim": "SSIM",
    "ssim_inside": "  where Ia hides", "ssim_outside": "  elsewhere", "lpips": "LPIPS", "fid": "FID",
    "kid": "KID × 1000",
}  # fmt: skip


def as_text(result: ImageMetrics) -> str:
    """Return the metrics, one a line, and how they were measured."""
    lines = [f"{counted(result.images, 'image')}, {result.paired} of them in their own garment"]
    for name, title in _NAMES.items():
        if name in result.metrics:
            value = result.metrics[name] * (1000 if name == "kid" else 1)
            lines.append(f"{title:<20}{value:>10.{2 if name.startswith('psnr') else 4}f}")
    return "\n".join([*lines, *(f"{name}: {value}" for name, value in result.protocol.items())])

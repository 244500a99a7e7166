"""PSNR and SSIM of pictures whose truth is known: whole, and apart where Ia hides the person and where it does not."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from schemas import MID_GREY
from train.data.shards import Pixels

Mask = NDArray[np.bool_]


def hidden(Ia: Pixels, size: int) -> Mask:
    """Return where ``Ia`` (H, H, 3) is mid-grey, as (size, size): what the cascade has to make up.

    A pixel of a smaller mask is hidden where at least half of what it stands for is.
    """
    grey = (Ia == MID_GREY).all(axis=2).astype(np.float32)
    how = cv2.INTER_AREA if size <= grey.shape[0] else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(grey, (size, size), interpolation=how) >= 0.5)


def picture_quality(picture: Pixels, truth: Pixels, inside: Mask) -> dict[str, float]:
    """Compare a picture with the truth, both uint8 (H, H, 3), H of at least 11.

    Returns `psnr` in dB and `ssim` (Gaussian window, σ = 1.5), and both with `_inside` and `_outside`, over the
    pixels where ``inside`` (H, H) is true and where it is not; SSIM's windows reach beyond. A region without pixels
    is left out; the PSNR of what is equal is infinite.
    """
    made, true = _unit(picture), _unit(truth)
    _, similarity = structural_similarity_index_measure(made, true, data_range=1.0, return_full_image=True)
    assert isinstance(similarity, Tensor)
    quality: dict[str, float] = {}
    for name, where in (("", np.ones_like(inside)), ("_inside", inside), ("_outside", ~inside)):
        if where.any():
            chosen = torch.from_numpy(where)
            psnr = peak_signal_noise_ratio(made[0, :, chosen], true[0, :, chosen], data_range=1.0)
            quality[f"psnr{name}"] = psnr.item()
            quality[f"ssim{name}"] = similarity[0, :, chosen].mean().item()
    return quality


def enlarged(picture: Pixels, size: int) -> Pixels:
    """Enlarge a picture (h, h, 3) to ``size`` a side by bicubic interpolation: what a stage has to beat."""
    return np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)


def _unit(picture: Pixels) -> Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None].double() / 255.0

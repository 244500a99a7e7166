"""Degrades the previous stage's images of training pairs, so that they resemble its images of held-out people.

A stage's images of its own training pairs are closer to the photographs than those of held-out people (`nano`, the
demo's pairs: 22.6 dB where Ia hides the person, 20.4 held out). A second stage that is trained on them learns to keep
its input, and at sampling time keeps the first one's mistakes instead of copying the garment
(docs/measurements/learning.md). Gaussian noise on the whole image, as in the papers, does not help: the mistakes are
edges in the wrong place.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from train.diffusion.randomness import Noise

_KNOTS = 6
"""The displacement is interpolated from this many random ones in each direction."""
_SOFT = 5
"""Width in pixels of the rim over which the change of a hidden region fades in."""
_REACH = 3.0
"""The blur's window ends at this many standard deviations."""


def degrade(images: Tensor, hidden: Tensor, amount: float, noise: Noise) -> Tensor:
    """Return images (B, 3, H, W), displaced and blurred inside ``hidden`` (B, 1, H, W), a boolean mask.

    The displacement is smooth, with a standard deviation of ``amount`` pixels; the blur's differs from sample to
    sample, from 0 to ``amount`` pixels. Both are 0 at the edge of the hidden region.
    """
    inner = F.avg_pool2d(hidden.float(), _SOFT, stride=1, padding=_SOFT // 2) * hidden
    knots = noise.normal((2, _KNOTS, _KNOTS), "low_res displacement").to(images.device) * amount
    shift = F.interpolate(knots, size=images.shape[2:], mode="bicubic", align_corners=False) * inner
    spread = noise.uniform((), "low_res blur").to(images.device) * amount
    return torch.lerp(images, _blurred(_moved(images, shift), spread, amount), inner)


def _moved(images: Tensor, shift: Tensor) -> Tensor:
    """Return images (B, 3, H, W), each pixel read at its position plus ``shift`` (B, 2, H, W), x and y in pixels."""
    height, width = images.shape[2:]
    rows, columns = (torch.arange(length, device=images.device) + 0.5 for length in (height, width))
    x = (columns + shift[:, 0]) * (2 / width) - 1
    y = (rows[:, None] + shift[:, 1]) * (2 / height) - 1
    return F.grid_sample(images, torch.stack([x, y], dim=-1), padding_mode="border", align_corners=False)


def _blurred(images: Tensor, spread: Tensor, largest: float) -> Tensor:
    """Return images (B, 3, H, W), blurred by a Gaussian of standard deviation ``spread`` (B,), at most ``largest``."""
    reach = max(1, round(_REACH * largest))
    offsets = torch.arange(-reach, reach + 1, device=images.device)
    kernel = torch.exp(-offsets.square() / (2 * spread[:, None].square() + 1e-6))
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(images.shape[1], dim=0)
    # One group for each channel of each sample, since each sample has its own kernel.
    planes = F.pad(images, (reach,) * 4, mode="replicate").flatten(0, 1)[None]
    planes = F.conv2d(planes, kernel[:, None, None, :], groups=len(kernel))
    return F.conv2d(planes, kernel[:, None, :, None], groups=len(kernel))[0].view_as(images)

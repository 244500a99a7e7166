"""Copying: the pixels of the garment that the network takes over from the warped Ic instead of painting them.

A small network learns within minutes where cloth belongs, but needs hours to paint a print. So its output is a mixture
of what it paints and of Ic, warped by the poses: at every pixel, it chooses how much of the warped trunk and sleeves to
show, and corrects the warp by a smooth displacement. Where the warp is wrong it paints instead. All is learnt through
the diffusion loss. The composition is that of VITON and CP-VTON (Wang et al. 2018, eq. 4); TryOnDiffusion does not
copy (effect: docs/measurements/learning.md).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.models.anchors import PARTS
from train.models.blocks import Head, conv3x3, group_norm, zero_init

COPY_CHANNELS = 4
"""Channels that a copying network returns behind its prediction: the copied image, already weighted, and its weight."""


class GarmentCopy(nn.Module):
    """Predicts which pixels of the warped garment are copied, and where from."""

    def __init__(self, fine: int, coarse: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.weights = Head(fine, (len(PARTS) + 1) * patch**2)
        self.coarse_norm = group_norm(coarse)
        self.coarse = zero_init(conv3x3(coarse, 2 * len(PARTS)))
        zero_init(self.weights.conv)

    def forward(self, fine: Tensor, coarse: Tensor, Ic: Tensor, grids: Tensor, known: Tensor) -> Tensor:
        """Return the copied image and its weight, (B, COPY_CHANNELS, H, W).

        ``fine`` and ``coarse`` are features of the last two levels of the decoder, Ic is (B, 3, H, W), ``grids``
        (B, parts, 2, H, W) the source points in [-1, 1] of each part's warp, ``known`` (B, parts) whether it exists.
        """
        weights = F.pixel_shuffle(self.weights(fine), self.patch).float().softmax(dim=1)[:, 1:]
        weights = weights * known[:, :, None, None]
        shift = self.coarse(F.silu(self.coarse_norm(coarse))).float()
        shift = F.interpolate(shift, size=grids.shape[-2:], mode="bilinear", align_corners=False)
        moved = grids + shift.view(len(shift), len(PARTS), 2, *shift.shape[2:])
        copied = torch.zeros_like(Ic, dtype=torch.float32)
        for part in range(len(PARTS)):
            source = moved[:, part].permute(0, 2, 3, 1)
            copied = copied + weights[:, part, None] * F.grid_sample(Ic.float(), source, align_corners=False)
        return torch.cat([copied, weights.sum(1, keepdim=True)], dim=1)

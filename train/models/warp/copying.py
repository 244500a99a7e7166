"""Copying: the pixels of the garment that the network takes over from Ic instead of painting them.

A small network learns within minutes where cloth belongs, but needs hours to paint a print. So its image is a mixture
of what it paints and of Ic in layers, one per part of the garment (trunk, sleeves), each warped by the poses and
corrected by a smooth displacement. The network weights the layers at every pixel; where none is right it paints. The
composition is that of VITON and CP-VTON (Wang et al. 2018, eq. 4), the loss for the layers our own; TryOnDiffusion does
not copy (effect: docs/measurements/learning.md).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.models.blocks import Head, conv3x3, group_norm, zero_init
from train.models.condition import is_grey
from train.models.warp.anchors import PARTS

LAYER = 4
"""Channels of a layer: its colour, 0 outside the garment, and its opacity."""
UNCOVERED = 0.4
"""Misfit of a pixel that no layer covers."""
_BEND = 1.0
"""Weight of a layer's bending beside its misfit."""
_COLOUR = 0.3
"""Difference of colour, of images in [-1, 1], whose misfit is half of the largest."""
_FAINT = 0.1
"""Opacity below which a colour is not restored."""


class GarmentCopy(nn.Module):
    """Predicts which pixels of the warped garment are copied, and where from."""

    def __init__(self, fine: int, coarse: int, patch: int, paint: float) -> None:
        """``fine`` and ``coarse`` are the numbers of channels of the decoder's last two levels.

        ``paint`` is the initial logit of painting at all pixels; those of the layers are 0.
        """
        super().__init__()
        self.patch = patch
        self.weights = Head(fine, (len(PARTS) + 1) * patch**2)
        self.coarse_norm = group_norm(coarse)
        self.coarse = zero_init(conv3x3(coarse, 2 * len(PARTS)))
        zero_init(self.weights.conv)
        assert self.weights.conv.bias is not None, "conv3x3 has a bias"
        with torch.no_grad():
            self.weights.conv.bias[-(patch**2) :].fill_(paint)

    def forward(self, fine: Tensor, coarse: Tensor, Ic: Tensor, grids: Tensor, known: Tensor) -> Tensor:
        """Return what `Copied` splits: the copied image, its weight, the layers, and how much they are bent.

        ``fine`` and ``coarse`` are features of the decoder's last two levels, Ic is (B, 3, H, W), ``grids``
        (B, parts, 2, H, W) the source points in [-1, 1] of each part's warp, ``known`` (B, parts) whether it exists.
        H and W may be larger than the decoder's features times the patch.
        """
        coarse_shift = self.coarse(F.silu(self.coarse_norm(coarse))).float()
        shift = F.interpolate(coarse_shift, size=grids.shape[-2:], mode="bilinear", align_corners=False)
        moved = grids + _by_part(shift)
        opacity = ~is_grey(Ic)
        source = torch.cat([Ic.float(), opacity.float()], dim=1)
        # Beyond Ic both colour and opacity are 0.
        points = moved.permute(0, 1, 3, 4, 2).unbind(1)
        layers = (
            torch.stack([F.grid_sample(source, part, align_corners=False) for part in points], dim=1)
            * known[:, :, None, None, None]
        )
        # The last of the weights, which add up to 1, is that of painting.
        weights = F.pixel_shuffle(self.weights(fine), self.patch).float().softmax(dim=1)[:, :-1]
        if weights.shape[2:] != Ic.shape[2:]:
            weights = F.interpolate(weights, size=Ic.shape[2:], mode="bilinear", align_corners=False)
        weights = weights * known[:, :, None, None]
        copied = (weights[:, :, None] * layers[:, :, :3]).sum(1)
        bent = (bending(_by_part(coarse_shift)) * known[:, :, None, None]).mean(1, keepdim=True)
        bent = F.interpolate(bent, size=copied.shape[2:])
        return torch.cat([copied, weights.sum(1, keepdim=True), layers.flatten(1, 2), bent], dim=1)


def _by_part(shift: Tensor) -> Tensor:
    """Return (B, parts * 2, H, W) as (B, parts, 2, H, W)."""
    return shift.view(len(shift), len(PARTS), 2, *shift.shape[2:])


class Copied(NamedTuple):
    """The output of a network that copies, split."""

    painted: Tensor
    """(B, 3, H, W): what a network without copying returns"""
    image: Tensor
    """(B, 3, H, W): the layers in [-1, 1], times their weights"""
    weight: Tensor
    """(B, 1, H, W) in [0, 1]: sum of the layers' weights"""
    warp: Tensor
    """(B, parts * LAYER + 1, H, W): the layers, and the mean `bending` of their displacements"""


def split_copied(output: Tensor) -> Copied | None:
    """Split a network's output (B, C, H, W); None if it has only the three channels of an image."""
    if output.shape[1] == 3:
        return None
    return Copied(output[:, :3], output[:, 3:6], output[:, 6:7], output[:, 7:])


def warp_cost(warp: Tensor, x: Tensor) -> Tensor:
    """Return the `misfit` of warped layers at each pixel of x (B, 3, H, W) and what their bending costs, (B, 1, H, W).

    ``warp`` is `Copied.warp`.
    """
    return misfit(warp[:, :-1], x) + _BEND * warp[:, -1:]


def bending(shift: Tensor) -> Tensor:
    """Return how much displacements (B, parts, 2, H, W) bend at each pixel, (B, parts, H, W).

    The magnitudes of their second differences along both axes, of x and y: none where cloth is moved, stretched or
    turned as a whole. Where the colours of garment and photograph say nothing, the layer then moves as it does nearby.
    """
    bent = torch.zeros_like(shift)
    for axis in (3, 4):
        if shift.shape[axis] >= 3:
            inner = bent.narrow(axis, 1, shift.shape[axis] - 2)
            inner += shift.diff(n=2, dim=axis).abs()
    return bent.sum(2)


def misfit(layers: Tensor, x: Tensor) -> Tensor:
    """Return how badly layers (B, parts * LAYER, H, W) cover the image x (B, 3, H, W), (B, 1, H, W) in [0, 1].

    A pixel that no layer covers costs ``UNCOVERED``; one that a layer covers costs less only if their colours are
    close, so layers are drawn over the garment, although nothing says where it is. The cost of a colour is Geman and
    McClure's e² / (e² + c²), which ignores outliers. The best of the parts counts: what a layer covers besides, where
    another is transparent, costs nothing, since a sleeve's layer shows the trunk as well.
    """
    parts = layers.view(len(layers), len(PARTS), LAYER, *layers.shape[2:])
    opacity = parts[:, :, 3]
    # At an edge the colour is mixed with the grey around the garment; undone, an edge that moves outwards pays off.
    colour = parts[:, :, :3] / opacity[:, :, None].clamp(min=_FAINT)
    error = (colour - x[:, None]).square().mean(2)
    cost = opacity * error / (error + _COLOUR**2) + (1 - opacity) * UNCOVERED
    return cost.amin(1, keepdim=True)

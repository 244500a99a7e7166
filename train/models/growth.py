"""Growth: a second stage starts from the weights of the first, as the same network on patches of twice the side.

What the first stage has learnt about poses, anchors, displacement and where the garment is copied is also valid at
twice the size; only what it paints is not. From random weights, learning this would take as many steps again. The grown
network computes what the first one does in its first sampling step, at t = 1: the weights of z_t, which is pure noise
there, and of the low-resolution image, which the first stage lacks, are zero, and its time is fixed. Each layer is
copied where the first stage copied it, now from Ic at twice the size, and nothing is painted: all other pixels show the
known image. Training continues from there (effect: docs/measurements/learning.md; neither paper does this).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from train.models.embedding import positional_encoding
from train.models.model_config import ModelConfig, ParallelUNetConfig

_INPUT = "person.down.0.resample.weight"
_GARMENT = "garment.down.0.resample.weight"
_LEVELS = "embedding.levels.linear"
_GATE = "copy.weights.conv"
_PAINT = "head.conv"
_IMAGE = 3
"""Channels of z_t and of the low-resolution image."""


def grown_shape(before: ParallelUNetConfig, factor: int) -> ParallelUNetConfig:
    """Return the shape that one ``before`` grows to, for images of ``factor`` times the side."""
    larger = {"image_size": factor * before.image_size, "patch": factor * before.patch, "low_res_channels": _IMAGE}
    return before.model_copy(update=larger)


def can_grow(before: ModelConfig, after: ModelConfig) -> bool:
    """Return whether a network ``after`` can start from the weights of one ``before``, of the previous stage.

    They may differ only in the image size, the patch (larger by the same factor) and the low-resolution image. Both
    have to copy the garment, and a garment-UNet has to depend on t.
    """
    if not (isinstance(before, ParallelUNetConfig) and isinstance(after, ParallelUNetConfig)):
        return False
    factor = after.image_size // before.image_size
    if before.low_res_channels or factor < 2:
        return False
    return grown_shape(before, factor) == after and before.copies and before.garment_film == "t"


def grown(weights: Mapping[str, Tensor], before: ParallelUNetConfig, after: ParallelUNetConfig) -> dict[str, Tensor]:
    """Return the weights of a network ``after`` that starts as the one ``before``; see `can_grow`."""
    factor = after.patch // before.patch
    result = {name: weight.detach().float() for name, weight in weights.items()}
    result[_INPUT] = _grown_input(result[_INPUT], before, factor)
    if _GARMENT in result:
        result[_GARMENT] = _averaged(_pixels(result[_GARMENT], before.patch), factor).flatten(1, 3)
    result |= _without_time(result[f"{_LEVELS}.weight"], result[f"{_LEVELS}.bias"], before.film_dim)
    for part in ("weight", "bias"):
        result[f"{_GATE}.{part}"] = _repeated_output(result[f"{_GATE}.{part}"], before.patch, factor)
        painted = _repeated_output(result[f"{_PAINT}.{part}"], before.patch, factor)
        result[f"{_PAINT}.{part}"] = torch.zeros_like(painted)
    return result


def _grown_input(weight: Tensor, before: ParallelUNetConfig, factor: int) -> Tensor:
    """Return the first convolution (C, inputs, 3, 3) for larger patches: each pixel is averaged with its neighbours.

    Its inputs are the images' patches, beginning with z_t's, then the pose maps, whose resolution stays the same.
    """
    side = before.patch
    images = before.person_inputs * side**2
    patches = _averaged(_pixels(weight[:, :images], side), factor)
    patches[:, :_IMAGE] = 0.0  # z_t
    low_res = torch.zeros_like(patches[:, :_IMAGE])
    larger = torch.cat([patches[:, :_IMAGE], low_res, patches[:, _IMAGE:]], dim=1).flatten(1, 3)
    return torch.cat([larger, weight[:, images:]], dim=1)


def _pixels(weight: Tensor, side: int) -> Tensor:
    """Return the weights (C, channels * side², 3, 3) of patches by their pixels, (C, channels, side, side, 3, 3)."""
    return weight.reshape(len(weight), -1, side, side, *weight.shape[2:])


def _averaged(patches: Tensor, factor: int) -> Tensor:
    """Return weights (C, channels, p, p, 3, 3) of patches' pixels for patches of ``factor`` times the side."""
    return patches.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3) / factor**2


def _without_time(weight: Tensor, bias: Tensor, dim: int) -> dict[str, Tensor]:
    """Return the linear layer of the noise levels with t fixed at 1 and a level without effect added for low_res."""
    at_one = weight[:, :dim] @ positional_encoding(torch.ones(1, device=weight.device), dim)[0]
    none = torch.zeros_like(weight[:, :dim])
    return {f"{_LEVELS}.weight": torch.cat([none, weight[:, dim:], none], dim=1), f"{_LEVELS}.bias": bias + at_one}


def _repeated_output(values: Tensor, side: int, factor: int) -> Tensor:
    """Return the weights or biases of a convolution whose output becomes patches of ``side``, for larger patches."""
    patches = values.reshape(-1, side, side, *values.shape[1:])
    return patches.repeat_interleave(factor, dim=1).repeat_interleave(factor, dim=2).flatten(0, 2)

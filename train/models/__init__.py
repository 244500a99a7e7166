"""The networks of the cascade, built from configurations that are validated before any weight is allocated."""

from __future__ import annotations

from functools import cache

import torch
from torch import nn

from train.models.attention import set_fused_attention
from train.models.blocks import set_checkpointing
from train.models.efficient_unet import EfficientUNet
from train.models.model_config import EfficientUNetConfig, ModelConfig, ParallelUNetConfig
from train.models.parallel_unet import GarmentReuse, ParallelUNet
from train.models.shapes import EFFICIENT_UNETS, PRESETS, efficient_unet_config

__all__ = [
    "EFFICIENT_UNETS",
    "PRESETS",
    "EfficientUNet",
    "EfficientUNetConfig",
    "GarmentReuse",
    "ModelConfig",
    "ParallelUNet",
    "ParallelUNetConfig",
    "build_model",
    "count_parameters",
    "efficient_unet_config",
    "set_checkpointing",
    "set_fused_attention",
]


def build_model(config: ModelConfig) -> ParallelUNet | EfficientUNet:
    """Build the denoiser described by ``config``, on torch's current default device."""
    return ParallelUNet(config) if isinstance(config, ParallelUNetConfig) else EfficientUNet(config)


@cache
def count_parameters(config: ModelConfig) -> int:
    """Count the parameters of the model without allocating them."""
    with torch.device("meta"):
        model: nn.Module = build_model(config)
    return sum(parameter.numel() for parameter in model.parameters())

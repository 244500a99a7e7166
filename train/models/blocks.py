"""Convolutional building blocks of both architectures (TryOnDiffusion App. A.1, Imagen App. B.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from train.models.norm import GroupNorm

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def group_norm(channels: int) -> GroupNorm:
    """Return a GroupNorm with min(32, C // 4) groups, or the next smaller divisor of C (paper: App. A.1)."""
    most = max(1, min(32, channels // 4))
    return GroupNorm(next(groups for groups in range(most, 0, -1) if channels % groups == 0), channels)


def conv3x3(c_in: int, c_out: int, stride: int = 1) -> nn.Conv2d:
    """Return a 3×3 convolution that keeps the spatial size, or divides it by ``stride``."""
    return nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1)


def zero_init(module: ModuleT) -> ModuleT:
    """Initialise every parameter to zero, so that the residual branch that ends in ``module`` starts at zero."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def identity_init(module: nn.Conv2d) -> nn.Conv2d:
    """Initialise a 1×1 convolution as the identity on its first channels; surplus channels are ignored.

    A stack of new residual blocks is then the identity instead of a chain of random projections: a small network
    learns faster (docs/measurements/early-runs.md). A concatenated skip still
    reaches the block through its 3×3 convolutions.
    """
    with torch.no_grad():
        nn.init.eye_(module.weight.flatten(1))  # same as nn.init.dirac_, which loops over channels
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module


class Checkpointed(nn.Module):
    """A block with optional activation checkpointing: only its inputs are kept, the rest is recomputed in backward."""

    checkpointing: bool = False

    def rematerialise(self, function: Callable[..., Tensor], *args: Tensor | None) -> Tensor:
        """Call ``function``, the block's computation, with activation checkpointing if it is enabled."""
        if self.checkpointing and torch.is_grad_enabled():
            # These networks have no dropout, so the random state need not be saved.
            result: Tensor = checkpoint(function, *args, use_reentrant=False, preserve_rng_state=False)
            return result
        return function(*args)


def set_checkpointing(model: nn.Module, enabled: bool) -> None:
    """Turn activation checkpointing on or off in every block of ``model`` that supports it."""
    for module in model.modules():
        if isinstance(module, Checkpointed):
            module.checkpointing = enabled


class FiLM(nn.Module):
    """Feature-wise affine modulation x · (1 + scale) + shift, both linear in an embedding."""

    def __init__(self, emb_dim: int, channels: int) -> None:
        super().__init__()
        self.projection = nn.Linear(emb_dim, 2 * channels)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """Modulate x (B, C, H, W) by emb (B, E), to which swish has already been applied."""
        scale, shift = self.projection(emb)[:, :, None, None].chunk(2, dim=1)
        return torch.addcmul(x + shift, x, scale)


class ResBlock(nn.Module):
    """GN → swish → conv → GN → [FiLM →] swish → conv, plus a 1×1 convolution of the input on the skip path.

    The last convolution is initialised to zero and the 1×1 one to the identity, so the block starts as the identity.
    Without ``film_dim`` there is no FiLM, as in Imagen's ResNetBlock.
    """

    def __init__(self, c_in: int, c_out: int, film_dim: int | None = None) -> None:
        super().__init__()
        self.norm_in = group_norm(c_in)
        self.conv_in = conv3x3(c_in, c_out)
        self.norm_out = group_norm(c_out)
        self.film = FiLM(film_dim, c_out) if film_dim is not None else None
        self.conv_out = zero_init(conv3x3(c_out, c_out))
        self.skip = identity_init(nn.Conv2d(c_in, c_out, 1))

    def forward(self, x: Tensor, emb: Tensor | None = None) -> Tensor:
        """Map x (B, C_in, H, W) and emb (B, E) to (B, C_out, H, W)."""
        h = self.norm_out(self.conv_in(F.silu(self.norm_in(x))))
        if self.film is not None:
            h = self.film(h, emb)
        out: Tensor = self.skip(x) + self.conv_out(F.silu(h))
        return out


class Upsample(nn.Module):
    """Nearest-neighbour ×2, then a 3×3 convolution."""

    gpu_path: bool = False
    """As for GroupNorm."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = conv3x3(c_in, c_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, C_in, H, W) to (B, C_out, 2H, 2W)."""
        if x.device.type == "cpu" and not self.gpu_path:
            upsampled = F.interpolate(x, scale_factor=2.0, mode="nearest")
        else:  # on CUDA, autocast would run interpolate in float32
            upsampled = upsample_nearest_2x(x)
        out: Tensor = self.conv(upsampled)
        return out


def upsample_nearest_2x(x: Tensor) -> Tensor:
    """Repeat each pixel of x (B, C, H, W) twice in both directions; the result is channels-last."""
    batch, channels, height, width = x.shape
    pixels = x.permute(0, 2, 3, 1)[:, :, None, :, None].expand(-1, -1, 2, -1, 2, -1)
    return pixels.reshape(batch, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)


def set_gpu_path(model: nn.Module) -> None:
    """Make every layer of ``model`` that has a separate implementation for GPUs use it on a CPU too."""
    for module in model.modules():
        if isinstance(module, (GroupNorm, Upsample)):
            module.gpu_path = True


class Head(nn.Module):
    """Output head: GN → swish → 3×3 convolution to the channels of the prediction."""

    def __init__(self, channels: int, out: int = 3) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.conv = conv3x3(channels, out)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, C, H, W) to (B, out, H, W)."""
        out: Tensor = self.conv(F.silu(self.norm(x)))
        return out

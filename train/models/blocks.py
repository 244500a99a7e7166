"""Convolutional building blocks that both UNets share (TryOnDiffusion App. A.1, Imagen App. B.1)."""

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
    """Return a GroupNorm with min(32, C // 4) groups, or the next smaller count that divides C (paper: App. A.1)."""
    most = max(1, min(32, channels // 4))
    return GroupNorm(next(groups for groups in range(most, 0, -1) if channels % groups == 0), channels)


def conv3x3(c_in: int, c_out: int, stride: int = 1) -> nn.Conv2d:
    """Return a 3×3 convolution that keeps the size, or divides it by ``stride``."""
    return nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1)


def zero_init(module: ModuleT) -> ModuleT:
    """Set every parameter to zero, so that the residual branch which ends here starts as nothing."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def identity_init(module: nn.Conv2d) -> nn.Conv2d:
    """Make a 1×1 convolution pass its first channels through unchanged, and ignore what it cannot pass.

    A stack of fresh residual blocks is then the identity instead of a chain of random projections: a small network
    learns faster (docs/training.md), and of a concatenated skip the 3×3 convolutions take what they need.
    """
    with torch.no_grad():
        nn.init.eye_(module.weight.flatten(1))  # nn.init.dirac_ does the same one channel after the other
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module


class Checkpointed(nn.Module):
    """A block that can keep only its inputs for the backward pass and compute the rest a second time."""

    checkpointing: bool = False

    def rematerialise(self, function: Callable[..., Tensor], *args: Tensor | None) -> Tensor:
        """Call ``function``, which holds the block's computation, with or without activation checkpointing."""
        if self.checkpointing and torch.is_grad_enabled():
            # There is no dropout in these networks, so no random state has to be kept.
            result: Tensor = checkpoint(function, *args, use_reentrant=False, preserve_rng_state=False)
            return result
        return function(*args)


def set_checkpointing(model: nn.Module, enabled: bool) -> None:
    """Turn activation checkpointing on or off in every block of ``model`` that offers it."""
    for module in model.modules():
        if isinstance(module, Checkpointed):
            module.checkpointing = enabled


class FiLM(nn.Module):
    """Feature-wise affine modulation x · (1 + scale) + shift, both linear in an embedding."""

    def __init__(self, emb_dim: int, channels: int) -> None:
        super().__init__()
        self.projection = nn.Linear(emb_dim, 2 * channels)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """Modulate x (B, C, H, W) by emb (B, E), which has been through swish once for all blocks."""
        scale, shift = self.projection(emb)[:, :, None, None].chunk(2, dim=1)
        return torch.addcmul(x + shift, x, scale)


class ResBlock(nn.Module):
    """GN → swish → conv → GN → [FiLM →] swish → conv, plus the input through its own 1×1 convolution, always.

    The last convolution starts at zero, the 1×1 one as the identity: so does the block. ``film_dim`` None leaves FiLM
    out, as in Imagen's ResNetBlock.
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

    as_on_card: bool = False
    """As GroupNorm's."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = conv3x3(c_in, c_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, C_in, H, W) to (B, C_out, 2H, 2W)."""
        if x.device.type == "cpu" and not self.as_on_card:
            large = F.interpolate(x, scale_factor=2.0, mode="nearest")
        else:  # where autocast would run it in float32
            large = doubled(x)
        out: Tensor = self.conv(large)
        return out


def doubled(x: Tensor) -> Tensor:
    """Repeat each pixel of x (B, C, H, W) twice in both directions; the result is channels-last."""
    batch, channels, height, width = x.shape
    pixels = x.permute(0, 2, 3, 1)[:, :, None, :, None].expand(-1, -1, 2, -1, 2, -1)
    return pixels.reshape(batch, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)


def set_as_on_card(model: nn.Module) -> None:
    """Have every layer of ``model`` that computes in another way on a card do so on a CPU too."""
    for module in model.modules():
        if isinstance(module, (GroupNorm, Upsample)):
            module.as_on_card = True


class Head(nn.Module):
    """GN → swish → 3×3 convolution to the channels of the prediction."""

    def __init__(self, channels: int, out: int = 3) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.conv = conv3x3(channels, out)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, C, H, W) to (B, out, H, W)."""
        out: Tensor = self.conv(F.silu(self.norm(x)))
        return out

"""GroupNorm that keeps its input's precision and layout, on a CPU and on a card.

torch's own kernel on a card wants (B, C, H, W) contiguous, and so has every channels-last image copied to that layout
and back, and keeps the copy for the backward pass. Here the statistics and the normalisation are whole-tensor
operations that read channels-last images as they lie; torch.compile fuses them with what stands beside them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class GroupNorm(nn.GroupNorm):
    """GroupNorm whose output has the precision and the layout of its input.

    Autocast on CUDA, and only there, would run it in float32 and so double all that is kept for the backward pass.
    Statistics are computed in float32 either way.
    """

    as_on_card: bool = False
    """Whether to compute on a CPU what a card would: `trainer plan` counts that, and tests compare it."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (B, C, H, W)."""
        if torch.compiler.is_compiling():
            return _in_plain_operations(x, self.weight, self.bias, self.num_groups, self.eps)
        on_card = x.device.type != "cpu" or self.as_on_card
        last = x.is_contiguous(memory_format=torch.channels_last)
        if on_card and not last:  # the kernel for this layout; FSDP's weights, which are contiguous, lead to it
            weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
            return _normalise(x.contiguous(), weight, bias, self.num_groups, self.eps)[0]
        # What F.group_norm calls once autocast has had its say; a context without autocast would break torch.compile.
        if torch.is_grad_enabled() and last:
            layer = _ChannelsLastOnCard if on_card else _ChannelsLast
            out: Tensor = layer.apply(x, self.weight, self.bias, self.num_groups, self.eps)  # type: ignore[no-untyped-call]
            return out
        if on_card:
            return _normalise_channels_last(x, self.weight, self.bias, self.num_groups, self.eps)[0]
        return _normalise(x, self.weight, self.bias, self.num_groups, self.eps)[0]


def _in_plain_operations(x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
    """Return x normalised, for torch.compile to fuse and to differentiate."""
    batch, channels, height, width = x.shape
    grouped = x.float().reshape(batch, groups, channels // groups, height, width)
    variance, mean = torch.var_mean(grouped, dim=(2, 3, 4), correction=0, keepdim=True)
    normal = ((grouped - mean) * torch.rsqrt(variance + eps)).reshape(x.shape)
    return (normal * weight.float()[:, None, None] + bias.float()[:, None, None]).to(x.dtype)


def _normalise_channels_last(
    x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what `_normalise` does, of a channels-last x, without copies in another layout; statistics float32."""
    batch, channels, height, width = x.shape
    pixels = x.permute(0, 2, 3, 1).reshape(batch, height * width, channels)
    # Each channel's own moments first: of a group's, the squares of the means would be all that is left of the sum.
    mean_of = pixels.mean(1, dtype=torch.float32).view(batch, groups, -1)
    squares = torch.linalg.vector_norm(pixels, dim=1, dtype=torch.float32).square().view(batch, groups, -1)
    within = (squares / (height * width) - mean_of.square()).clamp(min=0.0)
    mean = mean_of.mean(2)
    variance = (within + (mean_of - mean[..., None]).square()).mean(2)
    rstd = torch.rsqrt(variance + eps)
    scale = (rstd[..., None] * weight.float().view(groups, -1)).view(batch, 1, channels)
    shift = bias.float() - (mean[..., None] * scale.view(batch, groups, -1)).view(batch, 1, channels)
    # Scale and shift stay in float32: into x's precision only the result is rounded.
    out = torch.addcmul(shift, pixels, scale, out=torch.empty_like(pixels))
    return out.view(batch, height, width, channels).permute(0, 3, 1, 2), mean, rstd


def _normalise(x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return x normalised, and the groups' means and 1 / standard deviations (B, groups).

    On a CPU, weight and bias may be float32 where x is not; then so are the statistics.
    """
    batch, channels, height, width = x.shape
    return torch.native_group_norm(x, weight, bias, batch, channels, height * width, groups, eps)


class _ChannelsLast(torch.autograd.Function):
    """The same with a backward pass in whole-tensor operations.

    The CPU's own kernel for the gradient of channels-last pictures takes twice (fp32) to six times (bf16) as long, in
    bf16 an eighth of a training step (docs/model-speed.md).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        out, mean, rstd = _normalise(x, weight, bias, groups, eps)
        ctx.save_for_backward(x, weight, mean, rstd)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """With y = (x - mean) · rstd · weight + bias, the gradient of x is c1 · grad + c2 · x + c3.

        The coefficients hold for a channel of a sample and come from two sums over its pixels.
        """
        x, weight, mean, rstd = ctx.saved_tensors
        batch, channels, height, width = x.shape
        groups = mean.shape[1]
        of_group = channels // groups
        pixels, gradients = (t.permute(0, 2, 3, 1).reshape(batch, -1, channels) for t in (x, grad))

        sums = gradients.sum(1, dtype=torch.float32).view(batch, groups, of_group)
        products = (gradients * pixels).sum(1, dtype=torch.float32).view(batch, groups, of_group)
        mean, rstd, scale = mean.float()[..., None], rstd.float()[..., None], weight.float().view(groups, of_group)
        group_sum, group_product = ((s * scale).sum(2, keepdim=True) for s in (sums, products))
        c2 = (group_sum * mean - group_product) * rstd**3 / (of_group * height * width)
        c3 = -c2 * mean - group_sum * rstd / (of_group * height * width)
        coefficients = torch.stack([rstd * scale, c2.expand_as(sums), c3.expand_as(sums)]).to(x.dtype)
        c1, c2, c3 = coefficients.view(3, batch, 1, channels)
        dx = torch.addcmul(torch.addcmul(c3, pixels, c2), gradients, c1)
        dweight = ((products - sums * mean) * rstd).sum(0).view(channels)
        return (
            dx.view(batch, height, width, channels).permute(0, 3, 1, 2),
            dweight.to(weight.dtype), sums.sum(0).view(channels).to(weight.dtype), None, None,
        )  # fmt: skip


class _ChannelsLastOnCard(_ChannelsLast):
    """The same on a card: only the forward pass differs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        out, mean, rstd = _normalise_channels_last(x, weight, bias, groups, eps)
        ctx.save_for_backward(x, weight, mean, rstd)
        return out

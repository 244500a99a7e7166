"""GroupNorm that keeps its input's precision and memory format, on CPU and GPU.

torch's CUDA kernel requires contiguous (B, C, H, W): it copies every channels-last tensor to that layout and back, and
keeps the copy for the backward pass. Here statistics and normalisation are tensor operations that read channels-last
tensors in place; torch.compile fuses them with the neighbouring operations.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class GroupNorm(nn.GroupNorm):
    """GroupNorm whose output has the dtype and memory format of its input.

    Autocast on CUDA, and only there, would run it in float32 and double the memory kept for the backward pass.
    Statistics are computed in float32 either way.
    """

    gpu_path: bool = False
    """Whether to use the GPU implementation on a CPU as well: `trainer plan` measures it, and tests compare it."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (B, C, H, W)."""
        if torch.compiler.is_compiling():
            return _normalise_compiled(x, self.weight, self.bias, self.num_groups, self.eps)
        on_card = x.device.type != "cpu" or self.gpu_path
        last = x.is_contiguous(memory_format=torch.channels_last)
        if on_card and not last:  # torch's kernel; reached with FSDP, whose weights are contiguous
            weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
            return _normalise(x.contiguous(), weight, bias, self.num_groups, self.eps)[0]
        # The kernels below F.group_norm, which autocast leaves alone; disabling autocast would break torch.compile.
        if torch.is_grad_enabled() and last:
            layer = _ChannelsLastOnCard if on_card else _ChannelsLast
            out: Tensor = layer.apply(x, self.weight, self.bias, self.num_groups, self.eps)  # type: ignore[no-untyped-call]
            return out
        if on_card:
            return _normalise_channels_last(x, self.weight, self.bias, self.num_groups, self.eps)[0]
        return _normalise(x, self.weight, self.bias, self.num_groups, self.eps)[0]


def _normalise_compiled(x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
    """Normalise x in operations that torch.compile can fuse and differentiate."""
    batch, channels, height, width = x.shape
    grouped = x.float().reshape(batch, groups, channels // groups, height, width)
    variance, mean = torch.var_mean(grouped, dim=(2, 3, 4), correction=0, keepdim=True)
    normal = ((grouped - mean) * torch.rsqrt(variance + eps)).reshape(x.shape)
    return (normal * weight.float()[:, None, None] + bias.float()[:, None, None]).to(x.dtype)


def _normalise_channels_last(
    x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute `_normalise` for a channels-last x, without copies in another layout; statistics are float32."""
    batch, channels, height, width = x.shape
    pixels = x.permute(0, 2, 3, 1).reshape(batch, height * width, channels)
    # Moments per channel first: over a whole group, large channel means would swamp the variance in E[x²] - E[x]².
    channel_mean = pixels.mean(1, dtype=torch.float32).view(batch, groups, -1)
    squares = torch.linalg.vector_norm(pixels, dim=1, dtype=torch.float32).square().view(batch, groups, -1)
    within = (squares / (height * width) - channel_mean.square()).clamp(min=0.0)
    mean = channel_mean.mean(2)
    variance = (within + (channel_mean - mean[..., None]).square()).mean(2)
    rstd = torch.rsqrt(variance + eps)
    scale = (rstd[..., None] * weight.float().view(groups, -1)).view(batch, 1, channels)
    shift = bias.float() - (mean[..., None] * scale.view(batch, groups, -1)).view(batch, 1, channels)
    # Scale and shift stay in float32: only the result is rounded to x's dtype.
    out = torch.addcmul(shift, pixels, scale, out=torch.empty_like(pixels))
    return out.view(batch, height, width, channels).permute(0, 3, 1, 2), mean, rstd


def _normalise(x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return the normalised x, and each group's mean and 1 / standard deviation (B, groups).

    On a CPU, weight and bias may be float32 when x is not; the statistics are then float32 too.
    """
    batch, channels, height, width = x.shape
    return torch.native_group_norm(x, weight, bias, batch, channels, height * width, groups, eps)


class _ChannelsLast(torch.autograd.Function):
    """`_normalise` for a channels-last x, with a backward pass in tensor operations.

    torch's CPU kernel for this gradient takes twice (fp32) to six times (bf16) as long, in bf16 an eighth of a
    training step (docs/measurements/training-step.md).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        out, mean, rstd = _normalise(x, weight, bias, groups, eps)
        ctx.save_for_backward(x, weight, mean, rstd)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """For y = (x - mean) · rstd · weight + bias, the gradient of x is c1 · grad + c2 · x + c3.

        There is one set of coefficients per sample and channel, computed from two sums over the pixels.
        """
        x, weight, mean, rstd = ctx.saved_tensors
        batch, channels, height, width = x.shape
        groups = mean.shape[1]
        group_size = channels // groups
        pixels, gradients = (t.permute(0, 2, 3, 1).reshape(batch, -1, channels) for t in (x, grad))

        sums = gradients.sum(1, dtype=torch.float32).view(batch, groups, group_size)
        products = (gradients * pixels).sum(1, dtype=torch.float32).view(batch, groups, group_size)
        mean, rstd, scale = mean.float()[..., None], rstd.float()[..., None], weight.float().view(groups, group_size)
        group_sum, group_product = ((s * scale).sum(2, keepdim=True) for s in (sums, products))
        c2 = (group_sum * mean - group_product) * rstd**3 / (group_size * height * width)
        c3 = -c2 * mean - group_sum * rstd / (group_size * height * width)
        coefficients = torch.stack([rstd * scale, c2.expand_as(sums), c3.expand_as(sums)]).to(x.dtype)
        c1, c2, c3 = coefficients.view(3, batch, 1, channels)
        dx = torch.addcmul(torch.addcmul(c3, pixels, c2), gradients, c1)
        dweight = ((products - sums * mean) * rstd).sum(0).view(channels)
        return (
            dx.view(batch, height, width, channels).permute(0, 3, 1, 2),
            dweight.to(weight.dtype), sums.sum(0).view(channels).to(weight.dtype), None, None,
        )  # fmt: skip


class _ChannelsLastOnCard(_ChannelsLast):
    """The same for GPUs: only the forward pass differs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        out, mean, rstd = _normalise_channels_last(x, weight, bias, groups, eps)
        ctx.save_for_backward(x, weight, mean, rstd)
        return out

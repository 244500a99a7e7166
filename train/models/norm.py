"""GroupNorm that keeps its input's precision, and whose backward pass is fast on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class GroupNorm(nn.GroupNorm):
    """GroupNorm whose output has the precision of its input, in autocast on a GPU as on a CPU.

    Autocast on CUDA, and only there, would run it in float32 and so double all that is kept for the backward pass.
    Statistics are computed in float32 inside the kernel either way.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (B, C, H, W)."""
        # What F.group_norm calls once autocast has had its say; a context without autocast would break torch.compile.
        if x.device.type != "cpu":
            weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
            return _normalise(x.contiguous(), weight, bias, self.num_groups, self.eps)[0]
        if torch.is_grad_enabled() and x.is_contiguous(memory_format=torch.channels_last):
            out: Tensor = _ChannelsLast.apply(x, self.weight, self.bias, self.num_groups, self.eps)  # type: ignore[no-untyped-call]
            return out
        return _normalise(x, self.weight, self.bias, self.num_groups, self.eps)[0]


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

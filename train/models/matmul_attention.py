"""Attention as plain matrix multiplications, whose softmax is kept for the backward pass.

In bf16 on a CPU this takes half the time of the fused kernel, which computes the softmax a second time and in float32;
the price is memory for N · M numbers a head (docs/model-speed.md).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def matmul_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attend with q (B, heads, N, D) to k, v (B, heads, M, D), as `scaled_dot_product_attention` does."""
    out: Tensor = _MatmulAttention.apply(*(t.flatten(0, 1) for t in (q, k, v)))  # type: ignore[no-untyped-call]
    return out.view(q.shape)


class _MatmulAttention(torch.autograd.Function):
    """softmax(q kᵀ / √D) v of q (B, N, D) and k, v (B, M, D)."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        ctx.scale = q.shape[-1] ** -0.5
        q = q * ctx.scale
        # What torch.softmax calls once autocast has had its say; sums are in float32 inside of it.
        weights = torch._softmax(torch.bmm(q, k.transpose(1, 2)), -1, half_to_float=False)
        ctx.save_for_backward(q, k, v, weights)
        return torch.bmm(weights, v)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v, weights = ctx.saved_tensors
        grad_v = torch.bmm(weights.transpose(1, 2), grad)
        grad_weights = torch.bmm(grad, v.transpose(1, 2))
        grad_logits = torch._softmax_backward_data(grad_weights, weights, -1, weights.dtype)
        grad_k = torch.bmm(grad_logits.transpose(1, 2), q)
        return torch.bmm(grad_logits, k).mul_(ctx.scale), grad_k, grad_v

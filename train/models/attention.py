"""Attention of the person's UNet (TryOnDiffusion §3.2, Fig. 2): plain q, k, v, o projections of width C, no MLP.

Both layers add to their input what they compute, and their output projection starts at zero: a fresh layer is
exactly the identity. Keys carry no bias, as softmax would cancel it.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.models.blocks import group_norm, zero_init


def to_tokens(x: Tensor) -> Tensor:
    """Flatten (B, C, H, W) to (B, H·W, C); a view where x is channels-last."""
    return x.flatten(2).transpose(1, 2)


def attend(q: Tensor, k: Tensor, v: Tensor, head_dim: int, fused: bool = True) -> Tensor:
    """Multi-head attention of q (B, N, C) over k, v (B, M, C); returns (B, N, C)."""
    q, k, v = (x.view(*x.shape[:2], -1, head_dim).transpose(1, 2) for x in (q, k, v))
    attention = F.scaled_dot_product_attention if fused or not torch.is_grad_enabled() else matmul_attention
    return attention(q, k, v).transpose(1, 2).flatten(2)


def add_tokens(x: Tensor, tokens: Tensor) -> Tensor:
    """Add tokens (B, H·W, C) to the picture x (B, C, H, W) they belong to."""
    return x + tokens.transpose(1, 2).reshape(x.shape)


class _Attention(nn.Module):
    """A layer that can attend by plain matrix multiplications while it is trained."""

    fused: bool = True


def set_fused_attention(model: nn.Module, enabled: bool) -> None:
    """Say for every attention layer of ``model`` whether training uses the fused kernel, see `matmul_attention`."""
    for module in model.modules():
        if isinstance(module, _Attention):
            module.fused = enabled


class SelfAttention(_Attention):
    """Self-attention whose keys and values are extended by those of the pose tokens."""

    def __init__(self, channels: int, pose_dim: int, head_dim: int) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.norm = group_norm(channels)
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.pose_kv = nn.Linear(pose_dim, 2 * channels, bias=False)
        self.out = zero_init(nn.Linear(channels, channels))

    def forward(self, x: Tensor, poses: Tensor) -> Tensor:
        """Map x (B, C, H, W) and the tokens of both poses (B, 2J, P) to (B, C, H, W)."""
        q, k, v = self.qkv(to_tokens(self.norm(x))).chunk(3, dim=-1)
        k_pose, v_pose = self.pose_kv(poses).chunk(2, dim=-1)
        k, v = torch.cat([k, k_pose], dim=1), torch.cat([v, v_pose], dim=1)
        return add_tokens(x, self.out(attend(q, k, v, self.head_dim, self.fused)))


class CrossAttention(_Attention):
    """The implicit warp: z_t's features ask, the garment's features of the same stack and resolution answer."""

    def __init__(self, channels: int, head_dim: int) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.norm = group_norm(channels)
        self.norm_garment = group_norm(channels)
        self.q = nn.Linear(channels, channels, bias=False)
        self.kv = nn.Linear(channels, 2 * channels, bias=False)
        self.out = zero_init(nn.Linear(channels, channels))

    def forward(self, x: Tensor, garment: Tensor) -> Tensor:
        """Map x and the garment's features, both (B, C, H, W), to (B, C, H, W)."""
        k, v = self.kv(to_tokens(self.norm_garment(garment))).chunk(2, dim=-1)
        return add_tokens(x, self.out(attend(self.q(to_tokens(self.norm(x))), k, v, self.head_dim, self.fused)))


def matmul_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attend with q (B, heads, N, D) to k, v (B, heads, M, D), as `scaled_dot_product_attention` does.

    Plain matrix multiplications, whose softmax is kept for the backward pass. In bf16 on a CPU this takes half the time
    of the fused kernel, which computes the softmax a second time and in float32; the price is memory for N · M numbers
    a head (docs/model-speed.md).
    """
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

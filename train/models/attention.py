"""Attention layers of the person-UNet (TryOnDiffusion §3.2, Fig. 2): plain q, k, v, o projections of width C, no MLP.

Both layers are residual and their output projection is initialised to zero, so that a new layer is exactly the
identity. Keys have no bias, because softmax would cancel it.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.models.blocks import group_norm, zero_init


def to_tokens(x: Tensor) -> Tensor:
    """Flatten (B, C, H, W) to (B, H·W, C); a view if x is channels-last."""
    return x.flatten(2).transpose(1, 2)


def attend(q: Tensor, k: Tensor, v: Tensor, head_dim: int, fused: bool = True) -> Tensor:
    """Return the multi-head attention of q (B, N, C) over k, v (B, M, C), as (B, N, C)."""
    q, k, v = (x.view(*x.shape[:2], -1, head_dim).transpose(1, 2) for x in (q, k, v))
    attention = F.scaled_dot_product_attention if fused or not torch.is_grad_enabled() else matmul_attention
    return attention(q, k, v).transpose(1, 2).flatten(2)


def add_tokens(x: Tensor, tokens: Tensor) -> Tensor:
    """Add tokens (B, H·W, C) to the feature map x (B, C, H, W)."""
    return x + tokens.transpose(1, 2).reshape(x.shape)


class _Attention(nn.Module):
    """A layer that can use plain matrix multiplications instead of the fused kernel in training."""

    fused: bool = True


def set_fused_attention(model: nn.Module, enabled: bool) -> None:
    """Set for every attention layer of ``model`` whether training uses the fused kernel (see `matmul_attention`)."""
    for module in model.modules():
        if isinstance(module, _Attention):
            module.fused = enabled


class SelfAttention(_Attention):
    """Self-attention with the pose tokens appended to its keys and values."""

    def __init__(self, channels: int, pose_dim: int, head_dim: int) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.norm = group_norm(channels)
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.pose_kv = nn.Linear(pose_dim, 2 * channels, bias=False)
        self.out = zero_init(nn.Linear(channels, channels))

    def forward(self, x: Tensor, poses: Tensor) -> Tensor:
        """Map x (B, C, H, W) and the pose tokens (B, 2J, P) to (B, C, H, W)."""
        q, k, v = self.qkv(to_tokens(self.norm(x))).chunk(3, dim=-1)
        k_pose, v_pose = self.pose_kv(poses).chunk(2, dim=-1)
        k, v = torch.cat([k, k_pose], dim=1), torch.cat([v, v_pose], dim=1)
        return add_tokens(x, self.out(attend(q, k, v, self.head_dim, self.fused)))


class CrossAttention(_Attention):
    """The implicit warp: queries from z_t's features, keys and values from the garment features of the same level."""

    def __init__(self, channels: int, head_dim: int) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.norm = group_norm(channels)
        self.norm_garment = group_norm(channels)
        self.q = nn.Linear(channels, channels, bias=False)
        self.kv = nn.Linear(channels, 2 * channels, bias=False)
        self.out = zero_init(nn.Linear(channels, channels))

    def forward(self, x: Tensor, garment: Tensor) -> Tensor:
        """Map x and the garment features, both (B, C, H, W), to (B, C, H, W)."""
        k, v = self.kv(to_tokens(self.norm_garment(garment))).chunk(2, dim=-1)
        return add_tokens(x, self.out(attend(self.q(to_tokens(self.norm(x))), k, v, self.head_dim, self.fused)))


def matmul_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return `scaled_dot_product_attention` of q (B, heads, N, D) over k, v (B, heads, M, D), by plain matmuls.

    The softmax is kept for the backward pass. In bf16 on a CPU this takes half the time of the fused kernel, which
    recomputes the softmax in float32; it costs memory for N · M numbers per head (docs/measurements/training-step.md).
    """
    out: Tensor = _MatmulAttention.apply(*(t.flatten(0, 1) for t in (q, k, v)))  # type: ignore[no-untyped-call]
    return out.view(q.shape)


class _MatmulAttention(torch.autograd.Function):
    """softmax(q kᵀ / √D) v for q (B, N, D) and k, v (B, M, D)."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        ctx.scale = q.shape[-1] ** -0.5
        q = q * ctx.scale
        # The kernel below torch.softmax, without its autocast to float32; it accumulates in float32.
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

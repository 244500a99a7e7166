"""Embed t, t_na and the two poses: the FiLM embedding that modulates every block, and the pose tokens.

Sources: TryOnDiffusion §3.2 (pose embedding, attention pooling, FiLM); CLIP's AttentionPool2d.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.models.attention import attend

TIME_SCALE = 1000.0
"""Times in [0, 1] are scaled to the steps of a 1000-step chain, for which the frequencies were designed."""


def positional_encoding(levels: Tensor, dim: int) -> Tensor:
    """Encode levels (...) in [0, 1] as cosines and sines (..., dim), in float32 even under autocast."""
    half = torch.arange(dim // 2, device=levels.device, dtype=torch.float32)
    frequencies = torch.exp(half * (-math.log(10_000.0) / (dim // 2)))
    angles = levels.float()[..., None] * (TIME_SCALE * frequencies)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class LevelEmbedding(nn.Module):
    """Embeds several noise levels at once: t and each t_na.

    Each encoding has its own linear map before they are summed, implemented as one linear layer over their
    concatenation. A plain sum could not distinguish two levels with swapped values.
    """

    def __init__(self, levels: int, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.linear = nn.Linear(levels * dim, dim)

    def forward(self, t: Tensor | None, t_na: Tensor) -> Tensor:
        """Map t (B,) and t_na (B, n) in [0, 1] to (B, dim); with t None, its encoding is omitted from the sum."""
        if t is None:
            weight_t_na = self.linear.weight[:, self.dim :]
            return F.linear(positional_encoding(t_na, self.dim).flatten(1), weight_t_na, self.linear.bias)
        levels = torch.cat([t[:, None], t_na], dim=1)
        out: Tensor = self.linear(positional_encoding(levels, self.dim).flatten(1))
        return out


class PoseTokens(nn.Module):
    """One pose as tokens: a linear map of x, y, visibility, plus a learnt embedding per keypoint.

    Without the latter, a left and a right wrist would give the same token. An absent keypoint, or a null pose, is
    zeros and leaves only the keypoint's embedding.
    """

    def __init__(self, keypoints: int, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(3, dim, bias=False)
        self.name = nn.Parameter(torch.randn(keypoints, dim) * 0.5)

    def forward(self, pose: Tensor) -> Tensor:
        """Map a pose (B, J, 3) in [0, 1] to (B, J, P)."""
        out: Tensor = self.linear(pose) + self.name
        return out


class AttentionPool(nn.Module):
    """CLIP's attention pooling over the keypoints: the mean token queries itself and all tokens."""

    def __init__(self, keypoints: int, dim: int, out_dim: int, head_dim: int) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.position = nn.Parameter(torch.randn(keypoints + 1, dim) * dim**-0.5)
        self.q = nn.Linear(dim, dim, bias=False)
        self.kv = nn.Linear(dim, 2 * dim, bias=False)
        self.out = nn.Linear(dim, out_dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, J, P) to (B, out_dim)."""
        tokens = torch.cat([tokens.mean(dim=1, keepdim=True), tokens], dim=1) + self.position
        k, v = self.kv(tokens).chunk(2, dim=-1)
        out: Tensor = self.out(attend(self.q(tokens[:, :1]), k, v, self.head_dim).squeeze(1))
        return out


class TryOnEmbedding(nn.Module):
    """The embedding of a Parallel-UNet: t, each t_na and the two poses, which are pooled together."""

    def __init__(
        self, images: int, keypoints: int, pose_dim: int, film_dim: int, head_dim: int, *, sees_garment: bool = True
    ) -> None:
        super().__init__()
        self.levels = LevelEmbedding(1 + images, film_dim)
        self.person = PoseTokens(keypoints, pose_dim)
        self.garment = PoseTokens(keypoints, pose_dim) if sees_garment else None
        self.pool = AttentionPool((1 + sees_garment) * keypoints, pose_dim, film_dim, head_dim)
        self.mlp = nn.Sequential(nn.Linear(film_dim, film_dim), nn.SiLU(), nn.Linear(film_dim, film_dim))

    def forward(self, t: Tensor | None, t_na: Tensor, Jp: Tensor, Jg: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the FiLM embedding after swish (B, E) and the tokens of both poses (B, 2J, P), or of Jp alone.

        t is (B,), or None for an embedding that does not depend on t; t_na is (B, n), Jp and Jg are (B, J, 3), all in
        [0, 1]. Jg is None if the model ignores the garment.
        """
        tokens = self.person(Jp)
        if self.garment is not None:
            tokens = torch.cat([tokens, self.garment(Jg)], dim=1)
        emb = self.mlp(F.silu(self.levels(t, t_na) + self.pool(tokens)))
        return F.silu(emb), tokens

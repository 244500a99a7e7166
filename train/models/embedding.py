"""From t, t_na and the two poses to the embedding that modulates every block, and to the pose tokens.

Sources: TryOnDiffusion §3.2 (pose embedding, attention pooling, FiLM); CLIP's AttentionPool2d.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.models.attention import attend

TIME_SCALE = 1000.0
"""Times in [0, 1] are encoded as if they were steps of a 1000-step chain, for which the frequencies are made."""


def positional_encoding(levels: Tensor, dim: int) -> Tensor:
    """Encode levels (...) in [0, 1] as cosines and sines (..., dim), in float32 even under autocast."""
    half = torch.arange(dim // 2, device=levels.device, dtype=torch.float32)
    frequencies = torch.exp(half * (-math.log(10_000.0) / (dim // 2)))
    angles = levels.float()[..., None] * (TIME_SCALE * frequencies)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class LevelEmbedding(nn.Module):
    """Embeds several noise levels at once: t and each t_na.

    Each level's encoding passes its own linear map before they are summed (one map over all of them does just
    that); summed bare, two levels that swap their values could not be told apart.
    """

    def __init__(self, levels: int, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.linear = nn.Linear(levels * dim, dim)

    def forward(self, t: Tensor | None, t_na: Tensor) -> Tensor:
        """Map t (B,) and t_na (B, n) in [0, 1] to (B, dim); where t is None its encoding is left out of the sum."""
        if t is None:
            of_t_na = self.linear.weight[:, self.dim :]
            return F.linear(positional_encoding(t_na, self.dim).flatten(1), of_t_na, self.linear.bias)
        levels = torch.cat([t[:, None], t_na], dim=1)
        out: Tensor = self.linear(positional_encoding(levels, self.dim).flatten(1))
        return out


class PoseTokens(nn.Module):
    """One pose as tokens: a linear map of x, y, visibility and the one-hot name of the keypoint.

    Without the name a left and a right wrist would be the same token. An absent keypoint, or a null pose, is zeros
    and keeps the name's token.
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
    """CLIP's attention pooling along the keypoints: the mean token asks, it and all tokens answer."""

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
    """All that modulates both UNets of a Parallel-UNet: t, each t_na and the two poses, pooled as one."""

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

        t is (B,) or, for an embedding that is the same at all times, None; t_na (B, n), Jp and Jg (B, J, 3), all in
        [0, 1]. Jg is None where the embedding does not see the garment.
        """
        tokens = self.person(Jp)
        if self.garment is not None:
            tokens = torch.cat([tokens, self.garment(Jg)], dim=1)
        emb = self.mlp(F.silu(self.levels(t, t_na) + self.pool(tokens)))
        return F.silu(emb), tokens

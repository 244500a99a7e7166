"""The Parallel-UNet of the first two stages (TryOnDiffusion §3.2, App. A.1, Fig. 2 and 8).

Two UNets run side by side. The garment's reads Ic and stops its way up where nothing asks any more; the person's
reads z_t, Ia (and the enlarged low-resolution picture) and warps the garment into place by cross-attention. In the
paper the FiLM embedding of both holds t, so the garment's features change with t and cannot be kept between sampling
steps; with ``garment_film="static"`` they can (``GarmentReuse``).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.models.anchors import PARTS, Anchors
from train.models.attention import CrossAttention, SelfAttention
from train.models.blocks import Checkpointed, Head, ResBlock, Upsample, conv3x3
from train.models.body import points_of
from train.models.condition import Condition, check_shapes
from train.models.embedding import TryOnEmbedding
from train.models.geometry import POSE_MAPS, limb_maps, warped_garment
from train.models.model_config import ParallelUNetConfig


class Features(NamedTuple):
    """What a UNet computes: for each level of its way down, and of its way up from the bottom, the last output."""

    down: list[Tensor]
    up: list[Tensor]


class Block(Checkpointed):
    """FiLM and ResBlock, then self-attention, then cross-attention where the level has them (Fig. 2)."""

    def __init__(self, c_in: int, c_out: int, config: ParallelUNetConfig, attends: bool) -> None:
        super().__init__()
        self.res = ResBlock(c_in, c_out, config.film_dim)
        self.self_attention = SelfAttention(c_out, config.pose_dim, config.head_dim) if attends else None
        asks = attends and config.garment == "cross-attention"
        self.cross_attention = CrossAttention(c_out, config.head_dim) if asks else None

    def forward(
        self, x: Tensor, emb: Tensor, skip: Tensor | None, poses: Tensor | None, garment: Tensor | None
    ) -> Tensor:
        """Map x (B, C, H, W), and on the way up a skip that is concatenated to it, to (B, C_out, H, W)."""
        return self.rematerialise(self._compute, x, emb, skip, poses, garment)

    def _compute(
        self, x: Tensor, emb: Tensor, skip: Tensor | None, poses: Tensor | None, garment: Tensor | None
    ) -> Tensor:
        h: Tensor = self.res(x if skip is None else torch.cat([x, skip], dim=1), emb)
        if self.self_attention is not None:
            h = self.self_attention(h, poses)
        if self.cross_attention is not None:
            h = self.cross_attention(h, garment)
        return h


class Stack(nn.Module):
    """All blocks of one level in one direction, behind the convolution that leads to the level."""

    def __init__(self, resample: nn.Module, blocks: list[Block]) -> None:
        super().__init__()
        self.resample = resample
        self.blocks = nn.ModuleList(blocks)

    def forward(
        self, x: Tensor, emb: Tensor, skips: list[Tensor] | None, poses: Tensor | None, garment: Tensor | None
    ) -> list[Tensor]:
        """Return every block's output; skips, if any, are taken last in, first out."""
        x = self.resample(x)
        outputs: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            x = block(x, emb, skips[-1 - index] if skips else None, poses, garment)
            outputs.append(x)
        return outputs


class UNet(nn.Module):
    """One of the two UNets. One feature is kept of every block down and concatenated at every block up."""

    def __init__(
        self, config: ParallelUNetConfig, c_in: int, down: tuple[int, ...], up: tuple[int, ...], attends: bool
    ) -> None:
        super().__init__()
        widths, depth = config.channels, len(config.channels)
        here = [attends and resolution in config.attention_levels for resolution in config.resolutions]

        def blocks(level: int, count: int, skip: int) -> list[Block]:
            return [Block(widths[level] + skip, widths[level], config, here[level]) for _ in range(count)]

        self.down = nn.ModuleList()
        for level, count in enumerate(down):
            first = conv3x3(c_in, widths[0]) if level == 0 else conv3x3(widths[level - 1], widths[level], stride=2)
            self.down.append(Stack(first, blocks(level, count, 0)))
        self.up = nn.ModuleList()
        for level, count in zip(range(depth - 1, -1, -1), up, strict=False):
            first_up = nn.Identity() if level == depth - 1 else Upsample(widths[level + 1], widths[level])
            self.up.append(Stack(first_up, blocks(level, count, widths[level])))

    def forward(self, x: Tensor, emb: Tensor, poses: Tensor | None = None, garment: Features | None = None) -> Features:
        """Run down and up; ``poses`` and ``garment`` are for the UNet that attends."""
        saved: list[list[Tensor]] = []
        for level, stack in enumerate(self.down):
            saved.append(stack(x, emb, None, poses, garment.down[level] if garment else None))
            x = saved[-1][-1]
        up: list[Tensor] = []
        for step, stack in enumerate(self.up):
            asked = garment.up[step] if garment and step < len(garment.up) else None
            x = stack(x, emb, saved[-1 - step], poses, asked)[-1]
            up.append(x)
        return Features([outputs[-1] for outputs in saved], up)


class ParallelUNet(nn.Module):
    """The denoiser of the 128² and 256² stages."""

    def __init__(self, config: ParallelUNetConfig) -> None:
        super().__init__()
        self.config = config
        sees_garment = config.garment != "none"
        self.embedding = TryOnEmbedding(
            config.condition_images - (not sees_garment),
            config.keypoints,
            config.pose_dim,
            config.film_dim,
            config.head_dim,
            sees_garment=sees_garment,
        )
        self.garment: UNet | None = None
        pixels = config.patch**2
        if config.garment == "cross-attention":
            self.garment = UNet(config, 3 * pixels, config.garment_down, config.garment_up, attends=False)
        self.anchors = Anchors() if config.warp else None
        inputs = config.person_inputs * pixels + POSE_MAPS * config.pose_maps
        self.person = UNet(config, inputs, config.person_down, config.person_up, attends=True)
        self.head = Head(config.channels[0], 3 * pixels)

    def encode_garment(self, condition: Condition) -> Features:
        """Compute what the garment's UNet says of Ic, t_na and the poses, at any t.

        Raises ValueError for a model without a garment's UNet or whose one is modulated by t, or a condition without
        Ic, Jp and Jg.
        """
        t_na, _, Ic, Jp, Jg, _ = condition
        if self.garment is None:
            raise ValueError(f"garment={self.config.garment}: there is no garment's UNet")
        if self.config.garment_film == "t":
            raise ValueError('garment_film="t": the garment\'s features change with t; a "static" model keeps them')
        if Ic is None or Jp is None or Jg is None:
            raise ValueError("the garment's features need Ic, Jp and Jg in the condition")
        emb, _ = self.embedding(None, t_na, Jp, Jg)
        features: Features = self.garment(F.pixel_unshuffle(Ic, self.config.patch), emb)
        return features

    def forward(self, z_t: Tensor, t: Tensor, condition: Condition, garment: Features | None = None) -> Tensor:
        """Predict from z_t (B, 3, H, W) at t (B,) in [0, 1]; returns (B, 3, H, W).

        ``garment`` may hold what ``encode_garment`` said of this condition; it is computed where None. Raises
        ValueError if the condition lacks an input of this stage or has one that it would ignore, or for shapes that
        do not fit.
        """
        t_na, Ia, Ic, Jp, Jg, low_res = condition
        if Ia is None or Ic is None or Jp is None or Jg is None:
            raise ValueError("a Parallel-UNet needs Ia, Ic, Jp and Jg in its condition")
        if (low_res is not None) != bool(self.config.low_res_channels):
            raise ValueError(f"low_res is for models with low_res_channels=3, not {self.config.low_res_channels}")
        check_shapes(z_t, t_na, self.config.condition_images, self.config.stride)
        seen = self._patches(z_t, low_res, Ia, Ic, Jp, Jg)
        of_garment: Tensor | None = Jg
        if self.config.garment == "none":
            of_garment, t_na = None, torch.cat([t_na[:, :1], t_na[:, 2:]], dim=1)  # Ic's level tells of Ic as well
        emb, poses = self.embedding(t, t_na, Jp, of_garment)
        if garment is None and self.garment is not None:
            patches = F.pixel_unshuffle(Ic, self.config.patch)
            garment = self.garment(patches, emb) if self.config.garment_film == "t" else self.encode_garment(condition)
        features = self.person(seen, emb, poses, garment)
        return F.pixel_shuffle(self.head(features.up[-1]), self.config.patch)

    def _patches(
        self, z_t: Tensor, low_res: Tensor | None, Ia: Tensor, Ic: Tensor, Jp: Tensor, Jg: Tensor
    ) -> Tensor:  # fmt: skip
        """Return what the person's UNet reads, at level 0's resolution."""
        pictures = [z_t, Ia] if low_res is None else [z_t, low_res, Ia]
        if self.config.garment == "concatenation":
            pictures.append(Ic)
        if self.anchors is not None:
            points = zip(self.anchors(Jp, Jg), PARTS, strict=True)
            pictures.extend(warped_garment(Ic, anchors, points_of(Jg, part)) for anchors, part in points)
        patches = F.pixel_unshuffle(torch.cat(pictures, dim=1), self.config.patch)
        if not self.config.pose_maps:
            return patches
        return torch.cat([patches, limb_maps(Jp, (patches.shape[2], patches.shape[3]))], dim=1)


class GarmentReuse(nn.Module):
    """A Parallel-UNet with a static garment-UNet that computes the garment's features once a condition.

    It is called as the model itself. A sampler hands over one and the same Condition at every step; as long as it
    does, the features of the first step are used again. For sampling only: they are not those of changed weights.
    """

    def __init__(self, model: ParallelUNet) -> None:
        super().__init__()
        self.model = model
        self._held: tuple[Condition, Features] | None = None

    def forward(self, z_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Predict from z_t (B, 3, H, W) at t (B,) in [0, 1]; returns (B, 3, H, W)."""
        if self._held is None or self._held[0] is not condition:
            self._held = condition, self.model.encode_garment(condition)
        out: Tensor = self.model(z_t, t, condition, self._held[1])
        return out

"""The Parallel-UNet of the first two stages (TryOnDiffusion §3.2, App. A.1, Fig. 2 and 8).

Two UNets run side by side. The garment-UNet encodes Ic; its decoder ends after the last cross-attention level. The
person-UNet takes z_t, Ia (and the upsampled low-resolution image) and warps the garment into place by cross-attention.
In the paper, the FiLM embedding of both includes t, so the garment features change with t and cannot be reused between
sampling steps; with ``garment_film="static"`` they can (``GarmentReuse``).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.models.attention import CrossAttention, SelfAttention
from train.models.blocks import Checkpointed, Head, ResBlock, Upsample, conv3x3
from train.models.condition import Condition, check_shapes
from train.models.embedding import TryOnEmbedding
from train.models.model_config import ParallelUNetConfig
from train.models.warp.anchors import PARTS, Anchors
from train.models.warp.body import keypoints_at
from train.models.warp.copying import GarmentCopy
from train.models.warp.geometry import POSE_MAPS, has_warp, limb_maps, warped_garment


class Features(NamedTuple):
    """A UNet's features: the last output of each encoder level, and of each decoder level from the bottom up."""

    down: list[Tensor]
    up: list[Tensor]


class Block(Checkpointed):
    """ResBlock with FiLM, then self-attention and cross-attention at levels that have them (Fig. 2)."""

    def __init__(self, c_in: int, c_out: int, config: ParallelUNetConfig, attends: bool) -> None:
        super().__init__()
        self.res = ResBlock(c_in, c_out, config.film_dim)
        self.self_attention = SelfAttention(c_out, config.pose_dim, config.head_dim) if attends else None
        crosses = attends and config.garment == "cross-attention"
        self.cross_attention = CrossAttention(c_out, config.head_dim) if crosses else None

    def forward(
        self, x: Tensor, emb: Tensor, skip: Tensor | None, poses: Tensor | None, garment: Tensor | None
    ) -> Tensor:
        """Map x (B, C, H, W), in the decoder concatenated with a skip, to (B, C_out, H, W)."""
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
    """All blocks of one encoder or decoder level, preceded by the layer that resamples to its resolution."""

    def __init__(self, resample: nn.Module, blocks: list[Block]) -> None:
        super().__init__()
        self.resample = resample
        self.blocks = nn.ModuleList(blocks)

    def forward(
        self, x: Tensor, emb: Tensor, skips: list[Tensor] | None, poses: Tensor | None, garment: Tensor | None
    ) -> list[Tensor]:
        """Return every block's output; skips, if any, are used last in, first out."""
        x = self.resample(x)
        outputs: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            x = block(x, emb, skips[-1 - index] if skips else None, poses, garment)
            outputs.append(x)
        return outputs


class UNet(nn.Module):
    """One of the two UNets. The output of every encoder block is a skip, concatenated to a decoder block's input."""

    def __init__(
        self, config: ParallelUNetConfig, c_in: int, down: tuple[int, ...], up: tuple[int, ...], attends: bool
    ) -> None:
        super().__init__()
        widths, depth = config.channels, len(config.channels)
        attention = [attends and resolution in config.attention_levels for resolution in config.resolutions]

        def blocks(level: int, count: int, skip: int) -> list[Block]:
            return [Block(widths[level] + skip, widths[level], config, attention[level]) for _ in range(count)]

        self.down = nn.ModuleList()
        for level, count in enumerate(down):
            first = conv3x3(c_in, widths[0]) if level == 0 else conv3x3(widths[level - 1], widths[level], stride=2)
            self.down.append(Stack(first, blocks(level, count, 0)))
        self.up = nn.ModuleList()
        for level, count in zip(range(depth - 1, -1, -1), up, strict=False):
            first_up = nn.Identity() if level == depth - 1 else Upsample(widths[level + 1], widths[level])
            self.up.append(Stack(first_up, blocks(level, count, widths[level])))

    def forward(self, x: Tensor, emb: Tensor, poses: Tensor | None = None, garment: Features | None = None) -> Features:
        """Run encoder and decoder; ``poses`` and ``garment`` are for the UNet with attention."""
        saved: list[list[Tensor]] = []
        for level, stack in enumerate(self.down):
            saved.append(stack(x, emb, None, poses, garment.down[level] if garment else None))
            x = saved[-1][-1]
        up: list[Tensor] = []
        for step, stack in enumerate(self.up):
            source = garment.up[step] if garment and step < len(garment.up) else None
            x = stack(x, emb, saved[-1 - step], poses, source)[-1]
            up.append(x)
        return Features([outputs[-1] for outputs in saved], up)


class ParallelUNet(nn.Module):
    """The denoiser of the 128² and 256² stages."""

    def __init__(self, config: ParallelUNetConfig) -> None:
        super().__init__()
        self.config = config
        uses_garment = config.garment != "none"
        self.embedding = TryOnEmbedding(
            config.condition_images - (not uses_garment),
            config.keypoints,
            config.pose_dim,
            config.film_dim,
            config.head_dim,
            sees_garment=uses_garment,
        )
        self.garment: UNet | None = None
        pixels = config.patch**2
        if config.garment == "cross-attention":
            self.garment = UNet(config, 3 * pixels, config.garment_down, config.garment_up, attends=False)
        self.anchors = Anchors(config.anchors == "garment") if config.warp else None
        inputs = config.person_inputs * pixels + POSE_MAPS * config.pose_maps
        self.person = UNet(config, inputs, config.person_down, config.person_up, attends=True)
        self.head = Head(config.channels[0], 3 * pixels)
        self.copy: GarmentCopy | None = None
        if config.copies:
            # With a low-resolution image, layers copied from the wrong place would do more harm at first.
            paint = 4.0 if config.low_res_channels else 1.0
            self.copy = GarmentCopy(config.channels[0], config.channels[1], config.patch, paint)

    def encode_garment(self, condition: Condition) -> Features:
        """Compute the garment-UNet's features from Ic, t_na and the poses, valid for every t.

        Raises ValueError if the model has no garment-UNet or one that depends on t, or if the condition lacks Ic, Jp or
        Jg.
        """
        t_na, _, Ic, Jp, Jg, _ = condition
        if self.garment is None:
            raise ValueError(f"garment={self.config.garment}: the model has no garment-UNet")
        if self.config.garment_film == "t":
            raise ValueError('garment_film="t": the garment features change with t; to reuse them, train with "static"')
        if Ic is None or Jp is None or Jg is None:
            raise ValueError("the garment features need Ic, Jp and Jg in the condition")
        emb, _ = self.embedding(None, t_na, Jp, Jg)
        features: Features = self.garment(F.pixel_unshuffle(Ic, self.config.patch), emb)
        return features

    def forward(self, z_t: Tensor, t: Tensor, condition: Condition, garment: Features | None = None) -> Tensor:
        """Predict from z_t (B, 3, H, W) at t (B,) in [0, 1]; returns (B, 3, H, W).

        A network that ``copies`` returns the channels of `train.models.warp.copying.Copied`.

        ``garment`` may be the result of ``encode_garment`` for this condition; if None, it is computed. Raises
        ValueError if the condition lacks an input of this stage or has one that would be ignored, or for wrong
        shapes.
        """
        features, warped = self._decoded(z_t, t, condition, garment)
        painted = F.pixel_shuffle(self.head(features.up[-1]), self.config.patch)
        if self.copy is None:
            return painted
        return torch.cat([painted.float(), self._copied(features, condition, condition.Ic, warped)], dim=1)

    def copied(self, z_t: Tensor, t: Tensor, condition: Condition, Ic: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `forward` copies, from an Ic of a larger size (B, 3, h, w): image (B, 3, h, w) and its weight.

        For networks that copy; see `train.models.warp.copying.Copied`.
        """
        features, _ = self._decoded(z_t, t, condition, None)
        assert condition.Jp is not None, "`_decoded` needs it"
        assert condition.Jg is not None, "`_decoded` needs it"
        output = self._copied(features, condition, Ic, self._warped(Ic, condition.Jp, condition.Jg))
        return output[:, :3], output[:, 3:4]

    def _decoded(
        self, z_t: Tensor, t: Tensor, condition: Condition, garment: Features | None
    ) -> tuple[Features, list[Tensor]]:
        """Return the features of the person-UNet, and the parts of the warped garment that were its inputs."""
        t_na, Ia, Ic, Jp, Jg, low_res = condition
        if Ia is None or Ic is None or Jp is None or Jg is None:
            raise ValueError("a Parallel-UNet needs Ia, Ic, Jp and Jg in its condition")
        if (low_res is not None) != bool(self.config.low_res_channels):
            raise ValueError(f"low_res is for models with low_res_channels=3, not {self.config.low_res_channels}")
        check_shapes(z_t, t_na, self.config.condition_images, self.config.stride)
        warped = self._warped(Ic, Jp, Jg)
        inputs = self._inputs(z_t, low_res, Ia, Ic, Jp, warped)
        garment_pose: Tensor | None = Jg
        if self.config.garment == "none":
            garment_pose, t_na = None, torch.cat([t_na[:, :1], t_na[:, 2:]], dim=1)  # without Ic's level
        emb, poses = self.embedding(t, t_na, Jp, garment_pose)
        if garment is None and self.garment is not None:
            patches = F.pixel_unshuffle(Ic, self.config.patch)
            garment = self.garment(patches, emb) if self.config.garment_film == "t" else self.encode_garment(condition)
        features: Features = self.person(inputs, emb, poses, garment)
        return features, warped

    def _copied(self, features: Features, condition: Condition, Ic: Tensor | None, warped: list[Tensor]) -> Tensor:
        """Return what is copied from Ic, which may have any size; ``warped`` are its warps at that size."""
        Jp, Jg = condition.Jp, condition.Jg
        assert self.copy is not None, "only networks that copy get here"
        assert Ic is not None and Jp is not None and Jg is not None, "`_decoded` needs them"  # noqa: PT018
        grids = torch.stack([maps[:, 3:] for maps in warped], dim=1)
        known = torch.stack([has_warp(keypoints_at(Jp, part), keypoints_at(Jg, part)) for part in PARTS], dim=1)
        copied: Tensor = self.copy(features.up[-1], features.up[-2], Ic, grids, known)
        return copied

    def _warped(self, Ic: Tensor, Jp: Tensor, Jg: Tensor) -> list[Tensor]:
        """Return Ic warped to the person by each of PARTS, (B, WARP_MAPS, H, W); empty without ``warp``."""
        if self.anchors is None:
            return []
        points = zip(self.anchors(Jp, Jg), PARTS, strict=True)
        return [warped_garment(Ic, anchors, keypoints_at(Jg, part)) for anchors, part in points]

    def _inputs(
        self, z_t: Tensor, low_res: Tensor | None, Ia: Tensor, Ic: Tensor, Jp: Tensor, warped: list[Tensor]
    ) -> Tensor:  # fmt: skip
        """Return the input of the person-UNet, at the resolution of level 0."""
        images = [z_t, Ia] if low_res is None else [z_t, low_res, Ia]
        if self.config.garment == "concatenation":
            images.append(Ic)
        images.extend(warped)
        patches = F.pixel_unshuffle(torch.cat(images, dim=1), self.config.patch)
        if not self.config.pose_maps:
            return patches
        return torch.cat([patches, limb_maps(Jp, (patches.shape[2], patches.shape[3]))], dim=1)


class GarmentReuse(nn.Module):
    """Wraps a Parallel-UNet with a static garment-UNet, and computes the garment features once per condition.

    It is called like the model itself. As long as a sampler passes the same Condition object, the features of the first
    step are reused. For sampling only: the cache is not invalidated when the weights change.
    """

    def __init__(self, model: ParallelUNet) -> None:
        super().__init__()
        self.model = model
        self._cached: tuple[Condition, Features] | None = None

    def forward(self, z_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Predict from z_t (B, 3, H, W) at t (B,) in [0, 1]; returns (B, 3, H, W)."""
        if self._cached is None or self._cached[0] is not condition:
            self._cached = condition, self.model.encode_garment(condition)
        out: Tensor = self.model(z_t, t, condition, self._cached[1])
        return out

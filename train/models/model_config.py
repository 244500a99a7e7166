"""Configuration of the networks, validated before any weight is allocated.

A configuration that cannot be built raises ValueError (pydantic's ValidationError is a subclass) with the two
conflicting values and a value that would fit. Resolutions are the side of a square image in pixels.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from common.config_section import ConfigSection
from schemas.keypoints import NUM_KEYPOINTS
from train.models.warp.anchors import PARTS
from train.models.warp.geometry import WARP_MAPS


def _is_paper(setting: str) -> bool:
    return setting in ("t", "cross-attention")


def _is_joints(start: str) -> bool:
    return start == "joints"


def _is_off(setting: bool) -> bool:
    return not setting


def _is_one(patch: int) -> bool:
    return patch == 1


Counts = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
EvenInt = Annotated[int, Field(gt=0, multiple_of=2)]


class ParallelUNetConfig(ConfigSection):
    """A Parallel-UNet (TryOnDiffusion, App. A.1, Fig. 8). Level 0 has the full resolution; each next one halves it."""

    kind: Literal["parallel-unet"] = "parallel-unet"
    """Architecture that these settings describe."""
    image_size: PositiveInt
    """Side of z_t in pixels; ``attention_levels`` are resolutions for an image of this size."""
    channels: Counts
    """Channels at each level, the same in both UNets."""
    person_down: Counts
    """Residual blocks per level in the person-UNet's encoder; its decoder mirrors it."""
    garment_down: Counts
    """Residual blocks per level in the garment-UNet's encoder."""
    garment_up: Counts
    """Residual blocks per level in the garment-UNet's decoder, from the lowest resolution up; it ends at the last
    cross-attention level."""
    attention_levels: Counts
    """Resolutions at which every block of the person-UNet has self- and cross-attention."""
    head_dim: PositiveInt = 64
    """Channels per attention head."""
    film_dim: EvenInt
    """E: width of the embedding that every block maps to its FiLM scale and shift."""
    pose_dim: PositiveInt
    """P: width of a pose token; there is one per keypoint."""
    keypoints: PositiveInt = NUM_KEYPOINTS
    """J: number of keypoints of a pose."""
    low_res_channels: Literal[0, 3] = 0
    """Channels of the upsampled low-resolution image that is concatenated to z_t: 3 in the second stage, else 0."""
    garment_film: Literal["t", "static"] = Field("t", exclude_if=_is_paper)
    """FiLM conditioning of the garment-UNet: "t" uses t, t_na and the poses (the paper: §3.2, App. A.1), "static" omits
    t. The garment features are then the same at every sampling step and are computed once. Number and shape of the
    weights do not change. Written to JSON only if it differs from the paper, so that older files stay valid."""
    garment: Literal["cross-attention", "concatenation", "none"] = Field("cross-attention", exclude_if=_is_paper)
    """How Ic conditions the person-UNet. The other two values are baselines without garment-UNet and cross-attention:
    concatenation concatenates Ic to z_t and Ia at the input (the paper's ablation, §4), none ignores Ic and Jg.
    Both ignore ``garment_down`` and ``garment_up``. Written to JSON only if it differs from the paper."""

    patch: PositiveInt = Field(1, exclude_if=_is_one)
    """Patch size in pixels: the input is rearranged from space to channels (pixel_unshuffle) by this factor, and the
    output back. 1 in the paper; 2 leaves the network a quarter of the positions. Written to JSON only if not 1."""

    pose_maps: bool = Field(False, exclude_if=_is_off)
    """Whether the person-UNet also gets Jp as limb heatmaps; the paper uses pose vectors only. Written to JSON only if
    true."""
    warp: bool = Field(False, exclude_if=_is_off)
    """Whether the person-UNet also gets Ic explicitly warped to the person by Jp and Jg, an initial estimate that
    cross-attention refines; the paper uses the implicit warp only. Written to JSON only if true."""

    anchors: Literal["joints", "garment"] = Field("joints", exclude_if=_is_joints)
    """Where the warp's anchors are before anything is learnt: at the person's joints, or where a garment of Jg's
    proportions ends. Written to JSON only if not "joints", so that older files stay valid."""
    copies: bool = Field(False, exclude_if=_is_off)
    """Whether the network also copies pixels of the warped Ic into its output (`train.models.warp.copying`); needs warp
    and a preconditioned prediction=x. Not in the paper. Written to JSON only if true."""

    @property
    def person_up(self) -> tuple[int, ...]:
        """Residual blocks per level in the person-UNet's decoder, from the lowest resolution up."""
        return self.person_down[::-1]

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Side of each level's feature map."""
        return tuple(self.image_size // self.patch >> level for level in range(len(self.channels)))

    @property
    def condition_images(self) -> int:
        """Number of conditioning images, and so of noise levels: Ia, Ic and, in the second stage, low_res."""
        return 3 if self.low_res_channels else 2

    @property
    def person_inputs(self) -> int:
        """Image channels of the person-UNet's input: z_t, Ia, low_res in the second stage, and Ic in some form."""
        garment_channels = 3 * (self.garment == "concatenation") + WARP_MAPS * len(PARTS) * self.warp
        return 6 + self.low_res_channels + garment_channels

    @property
    def stride(self) -> int:
        """Total downsampling factor; the sides of z_t must be multiples of it."""
        return int(self.patch * 2 ** (len(self.channels) - 1))

    @model_validator(mode="after")
    def _fits(self) -> Self:
        depth = len(self.channels)
        for name in ("person_down", "garment_down"):
            if len(getattr(self, name)) != depth:
                raise ValueError(f"{name}={getattr(self, name)} and channels={self.channels}: both need {depth} levels")
        check_divisible("image_size", self.image_size, self.stride, f"{depth} levels, patch={self.patch}")
        self._check_attention()
        self._check_garment_up()
        if self.garment == "none" and self.warp:
            raise ValueError("garment=none ignores Ic, but warp=true uses it: set only one of them")
        if self.copies and not (self.warp and len(self.channels) > 1):
            raise ValueError(f"copies=true with warp={self.warp}, channels={self.channels}: it needs warp and 2 levels")
        if self.garment != "cross-attention" and self.garment_film == "static":
            raise ValueError(
                f"garment={self.garment} has no garment-UNet for garment_film=static to configure: set only one of them"
            )
        return self

    def _check_attention(self) -> None:
        for resolution in self.attention_levels:
            if resolution not in self.resolutions:
                raise ValueError(
                    f"attention_levels={self.attention_levels} contains {resolution}, but at "
                    f"image_size={self.image_size} the levels are {self.resolutions}"
                )
        for resolution, width in zip(self.resolutions, self.channels, strict=True):
            if resolution in self.attention_levels:
                check_divisible("channels", width, self.head_dim, f"head_dim={self.head_dim}")
        check_divisible("pose_dim", self.pose_dim, self.head_dim, f"head_dim={self.head_dim}")

    def _check_garment_up(self) -> None:
        first_attended = min(self.resolutions.index(resolution) for resolution in self.attention_levels)
        fitting = self.garment_down[first_attended:][::-1]
        if self.garment_up != fitting:
            raise ValueError(
                f"garment_up={self.garment_up} with garment_down={self.garment_down} and attention_levels="
                f"{self.attention_levels}: the garment-UNet's decoder mirrors its encoder up to the last "
                f"cross-attention at {self.resolutions[first_attended]}, which is {fitting}"
            )


class EfficientUNetConfig(ConfigSection):
    """Imagen's Efficient-UNet (App. B.1, Fig. A.30) without attention; image sides are multiples of ``stride``."""

    kind: Literal["efficient-unet"] = "efficient-unet"
    """Architecture that these settings describe."""
    channels: Counts
    """Number of channels of each DBlock; the first is also that of the full-resolution convolutions."""
    blocks: Counts
    """Number of residual blocks in each DBlock and the corresponding UBlock."""
    emb_dim: EvenInt
    """Width of the embedding of t and t_na that conditions every DBlock and UBlock (CombineEmbs)."""

    @property
    def stride(self) -> int:
        """Total downsampling factor; the sides of z_t must be multiples of it."""
        return int(2 ** len(self.channels))

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.blocks) != len(self.channels):
            raise ValueError(f"blocks={self.blocks} and channels={self.channels} differ in length: give one per level")
        return self


ModelConfig = Annotated[ParallelUNetConfig | EfficientUNetConfig, Field(discriminator="kind")]
"""Either model; ``kind`` is the discriminator in JSON."""


def check_divisible(name: str, value: int, divisor: int, because: str) -> None:
    """Raise ValueError unless ``value`` is a multiple of ``divisor``; the message names the nearest multiples."""
    if value % divisor:
        below, above = value // divisor * divisor, (value // divisor + 1) * divisor
        fitting = f"{below} or {above}" if below else f"{above}"
        raise ValueError(f"{name}={value} is not a multiple of {divisor} ({because}): {fitting} would fit")

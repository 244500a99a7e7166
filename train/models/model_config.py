"""The shape of a model, checked before a single weight is allocated.

A configuration that cannot be built raises ValueError (pydantic's ValidationError is one) with the two values that
contradict each other and a value that would fit. Resolutions below are of a square picture's side in pixels.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from schemas.keypoints import NUM_KEYPOINTS
from train.models.anchors import PARTS
from train.models.geometry import WARP_MAPS


def _is_papers(setting: str) -> bool:
    return setting in ("t", "cross-attention")


def _is_off(setting: bool) -> bool:
    return not setting


def _is_single(patch: int) -> bool:
    return patch == 1


Counts = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
EvenInt = Annotated[int, Field(gt=0, multiple_of=2)]


class ParallelUNetConfig(BaseModel):
    """A Parallel-UNet (TryOnDiffusion, App. A.1 and Fig. 8). Level 0 is the full resolution, each next one its half."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["parallel-unet"] = "parallel-unet"
    image_size: PositiveInt
    """Side of z_t in pixels; the network is convolutional, but ``attention_levels`` are resolutions at this size."""
    channels: Counts
    """Width of each level, the same in both UNets."""
    person_down: Counts
    """Residual blocks of each level on the person's way down; its way up is the mirror image."""
    garment_down: Counts
    """Residual blocks of each level on the garment's way down."""
    garment_up: Counts
    """Residual blocks on the garment's way up, from the bottom; it stops after the last level that is attended to."""
    attention_levels: Counts
    """Resolutions at which every block of the person's UNet runs self- and cross-attention."""
    head_dim: PositiveInt = 64
    """Width of an attention head."""
    film_dim: EvenInt
    """E: width of the embedding from which every block takes its FiLM scale and shift."""
    pose_dim: PositiveInt
    """P: width of a keypoint's token."""
    keypoints: PositiveInt = NUM_KEYPOINTS
    """J: keypoints of a pose."""
    low_res_channels: Literal[0, 3] = 0
    """Channels of the enlarged low-resolution picture that is concatenated to z_t: 3 in the second stage."""
    garment_film: Literal["t", "static"] = Field("t", exclude_if=_is_papers)
    """What modulates the garment's UNet: t, t_na and the poses (the paper's: §3.2, App. A.1), or all of these but t.
    Without t the garment's features are the same at every step of sampling, and are computed once. The weights are
    the same in number and shape. Written to JSON only where it is not the paper's: earlier files stay valid."""
    garment: Literal["cross-attention", "concatenation", "none"] = Field("cross-attention", exclude_if=_is_papers)
    """How the person's UNet learns of Ic. The two others are baselines without garment-UNet and cross-attention:
    concatenation puts Ic beside z_t and Ia at the input (the paper's ablation: §4, "concatenation"), none hides Ic and
    Jg altogether. ``garment_down`` and ``garment_up`` then build nothing. Written to JSON as garment_film is."""

    patch: PositiveInt = Field(1, exclude_if=_is_single)
    """Side in pixels of the squares that level 0 sees as one position, with all their values as channels: 1 in the
    paper. With 2 the whole network computes on a quarter of the positions. Written to JSON only where it is not 1."""

    pose_maps: bool = Field(False, exclude_if=_is_off)
    """Whether the person's UNet also sees Jp drawn as pictures of its limbs; the paper hands over vectors alone."""
    warp: bool = Field(False, exclude_if=_is_off)
    """Whether the person's UNet also sees Ic moved to where Jp and Jg say that it belongs, as a first guess that
    cross-attention has to mend; the paper has the implicit warp alone. Both are written to JSON only where true."""

    @property
    def person_up(self) -> tuple[int, ...]:
        """Residual blocks of the person's way up, from the bottom."""
        return self.person_down[::-1]

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Side of each level in positions."""
        return tuple(self.image_size // self.patch >> level for level in range(len(self.channels)))

    @property
    def condition_images(self) -> int:
        """Conditional images, and so noise levels: Ia, Ic and, in the second stage, low_res."""
        return 3 if self.low_res_channels else 2

    @property
    def person_inputs(self) -> int:
        """Channels of pixels that the person's UNet reads: z_t, Ia, low_res in the second stage, what is said of Ic."""
        of_garment = 3 * (self.garment == "concatenation") + WARP_MAPS * len(PARTS) * self.warp
        return 6 + self.low_res_channels + of_garment

    @property
    def stride(self) -> int:
        """How many times smaller than z_t the bottom is; sides must be multiples of it."""
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
            raise ValueError("garment=none hides Ic, which warp=true shows; leave one of them out")
        if self.garment != "cross-attention" and self.garment_film == "static":
            raise ValueError(
                f"garment={self.garment} has no garment-UNet, which garment_film=static is about; leave one of them out"
            )
        return self

    def _check_attention(self) -> None:
        for resolution in self.attention_levels:
            if resolution not in self.resolutions:
                raise ValueError(
                    f"attention_levels={self.attention_levels} names {resolution}, but at image_size={self.image_size} "
                    f"the levels are {self.resolutions}"
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
                f"{self.attention_levels}: the garment's way up mirrors its way down as far as the last "
                f"cross-attention at {self.resolutions[first_attended]}, which is {fitting}"
            )


class EfficientUNetConfig(BaseModel):
    """Imagen's Efficient-UNet (App. B.1, Fig. A.30) without attention: any size that halves ``depth`` times."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["efficient-unet"] = "efficient-unet"
    channels: Counts
    """Width of each DBlock; the first also that of the full-resolution convolutions."""
    blocks: Counts
    """Residual blocks of each DBlock and of its UBlock."""
    emb_dim: EvenInt
    """Width of the embedding of t and t_na that CombineEmbs reads."""

    @property
    def stride(self) -> int:
        """How many times smaller than z_t the bottom is; sides must be multiples of it."""
        return int(2 ** len(self.channels))

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.blocks) != len(self.channels):
            raise ValueError(f"blocks={self.blocks} and channels={self.channels} differ in length: give one per level")
        return self


ModelConfig = Annotated[ParallelUNetConfig | EfficientUNetConfig, Field(discriminator="kind")]
"""Either model; ``kind`` tells them apart in JSON."""


def check_divisible(name: str, value: int, divisor: int, because: str) -> None:
    """Raise ValueError unless ``divisor`` divides ``value``, naming the neighbours that it does divide."""
    if value % divisor:
        below, above = value // divisor * divisor, (value // divisor + 1) * divisor
        fitting = f"{below} or {above}" if below else f"{above}"
        raise ValueError(f"{name}={value} is not a multiple of {divisor} ({because}): {fitting} would fit")

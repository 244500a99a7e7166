"""Named architectures: those of the papers, and smaller ones for one GPU or a laptop."""

from __future__ import annotations

from typing import Any

from train.models.growth import grown_shape
from train.models.model_config import EfficientUNetConfig, ModelConfig, ParallelUNetConfig

EFFICIENT_UNETS = tuple(f"efficientunet-b{phi}" for phi in range(8))
"""Names accepted by ``efficient_unet_config``."""

_PAPER_PHI = 4

_GEOMETRY: dict[str, Any] = {"pose_maps": True, "warp": True, "anchors": "garment", "copies": True}
"""Explicit geometry for every preset but `paper`, whose networks have to learn it from millions of pairs."""


def efficient_unet_config(name: str) -> EfficientUNetConfig:
    """Return a member of the Efficient-UNet family; ``efficientunet-b4`` is the paper's (Imagen App. F.3).

    Width and depth are scaled together: member φ is 2^((φ - 4) / 4) times as wide and as deep as the paper's.
    The first width is rounded to a multiple of 16 and doubles at each level; depths are rounded to whole blocks. So b0
    has half the width and depth. Raises ValueError for an unknown name.
    """
    if name not in EFFICIENT_UNETS:
        raise ValueError(f"no Efficient-UNet named {name!r}: use one of {', '.join(EFFICIENT_UNETS)}")
    factor = 2.0 ** ((EFFICIENT_UNETS.index(name) - _PAPER_PHI) / 4)
    width = 16 * round(128 * factor / 16)
    depths = tuple(max(1, round(blocks * factor)) for blocks in (2, 4, 8, 8))
    return EfficientUNetConfig(channels=(width, 2 * width, 4 * width, 8 * width), blocks=depths, emb_dim=4 * width)


_SMALL = ParallelUNetConfig(
    image_size=64,
    channels=(64, 128, 256),
    person_down=(2, 3, 4),
    garment_down=(2, 3, 4),
    garment_up=(4, 3),
    attention_levels=(32, 16),
    film_dim=256,
    pose_dim=256,
    **_GEOMETRY,
)
_NANO = ParallelUNetConfig(
    image_size=64,
    patch=2,
    channels=(48, 64, 96),
    person_down=(1, 1, 1),
    garment_down=(1, 1, 1),
    garment_up=(1, 1),
    attention_levels=(16, 8),
    head_dim=32,
    film_dim=128,
    pose_dim=96,
    garment="concatenation",
    **_GEOMETRY,
)

PRESETS: dict[str, dict[str, ModelConfig]] = {
    "paper": {
        "base": ParallelUNetConfig(
            image_size=128,
            channels=(128, 256, 512, 1024),
            person_down=(3, 4, 6, 7),
            garment_down=(3, 4, 6, 7),
            garment_up=(7, 6),
            attention_levels=(32, 16),
            film_dim=512,
            pose_dim=1024,
        ),
        "sr256": ParallelUNetConfig(
            image_size=256,
            channels=(128, 128, 256, 512, 1024),
            person_down=(2, 3, 4, 7, 7),
            garment_down=(2, 3, 4, 6, 7),
            garment_up=(7,),
            attention_levels=(16,),
            film_dim=512,
            pose_dim=1024,
            low_res_channels=3,
        ),
        "sr1024": efficient_unet_config("efficientunet-b4"),
    },
    "small": {
        "base": _SMALL,
        "sr256": grown_shape(_SMALL, 2),
        "sr1024": efficient_unet_config("efficientunet-b0"),
    },
    "nano": {
        "base": _NANO,
        "sr256": grown_shape(_NANO, 2),
        "sr1024": EfficientUNetConfig(channels=(16, 32, 64), blocks=(1, 2, 2), emb_dim=64),
    },
}
"""Preset → stage → model. Stages are called base, sr256 and sr1024 whatever the preset's image sizes."""
PRESETS["large"] = {
    stage: model.model_copy(update=_GEOMETRY) if isinstance(model, ParallelUNetConfig) else model
    for stage, model in PRESETS["paper"].items()
}

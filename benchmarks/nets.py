"""Networks shared by several benchmarks."""

from __future__ import annotations

from train.models import ParallelUNetConfig


def medium() -> ParallelUNetConfig:
    """Return a 128² network of the paper's architecture and a fortieth of its size: 27.6 M parameters."""
    return ParallelUNetConfig(
        image_size=128, channels=(32, 64, 128, 256), person_down=(1, 1, 2, 2), garment_down=(1, 1, 2, 2),
        garment_up=(2, 2), attention_levels=(32, 16), film_dim=512, pose_dim=512,
    )  # fmt: skip

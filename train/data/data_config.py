"""Configuration of batches, and the stage settings that they depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pydantic import Field

from common.config_section import ConfigSection


class DataConfig(ConfigSection):
    """Batches, augmentation and caching."""

    batch: int = Field(256, gt=0)
    """Samples per step (paper: 256)."""
    flip: bool = True
    """Mirror half of the samples, exchanging left and right keypoints."""
    jitter: float = Field(0.0, ge=0, le=0.25)
    """Maximum random shift of person and of garment (independently), as a fraction of the side; not in stage 3."""
    threads: int | None = Field(None, gt=0)
    """Threads that read and decode ahead of the step, for shards at a URL also the number of concurrent requests; null:
    one per processor with a GPU, 2 on a CPU."""
    cache: Path | None = None
    """Folder that caches shards at a URL; null: tryon-cascade/shards in ~/.cache."""
    cache_bytes: int = Field(10 * 2**30, ge=0)
    """Maximum size of this folder in bytes, for all processes together; least recently used first out. 0: no cache."""
    cache_memory: int | None = Field(None, ge=0)
    """Bytes of decoded images that each process caches in memory; null: a third of the available memory. 0: none."""


class BatchSettings(Protocol):
    """Settings that batches depend on; StageConfig implements it."""

    @property
    def stage(self) -> str:
        """The stage's name, part of the key of all draws."""

    @property
    def size(self) -> int:
        """Side of the stage's images."""

    @property
    def crop(self) -> int | None:
        """Side of the random crops; None for the whole image."""

    @property
    def steps(self) -> int:
        """Steps of the whole run."""

    @property
    def seed(self) -> int:
        """Seed of the order and of all draws."""

    @property
    def data(self) -> DataConfig:
        """The section `data` of the settings."""

    @property
    def is_try_on(self) -> bool:
        """Whether the stage reads Ia, Ic, Jp and Jg."""

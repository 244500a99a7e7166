"""What batches are set to, and what of a stage's settings decides them."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pydantic import Field

from common.config_section import ConfigSection


class DataConfig(ConfigSection):
    """Batches."""

    batch: int = Field(256, gt=0)
    """Samples a step (paper: 256)."""
    flip: bool = True
    """Mirror half of the tuples, left and right keypoints exchanged."""
    jitter: float = Field(0.0, ge=0, le=0.25)
    """Shift person and garment, each on its own, whole pixels up to this share of the side; not in stage 3."""
    threads: int | None = Field(None, gt=0)
    """Threads that read and decode ahead of the step; null: one for each processor on a card, 2 on a CPU. For shards at
    a URL, how many requests are under way."""
    cache: Path | None = None
    """Folder that keeps what was read of shards at a URL; null: tryon-cascade/shards in ~/.cache."""
    cache_bytes: int = Field(10 * 2**30, ge=0)
    """Most that this folder holds, all processes together; what was used longest ago goes first. 0 keeps nothing."""
    cache_memory: int | None = Field(None, ge=0)
    """Bytes of decoded images that each process keeps in memory; null: a third of what is available. 0 keeps none."""


class BatchSettings(Protocol):
    """What batches depend on; a StageConfig is one."""

    @property
    def stage(self) -> str:
        """The stage's name, which draws are keyed by."""

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
        """Decides order and draws."""

    @property
    def data(self) -> DataConfig:
        """The section `data`."""

    @property
    def is_try_on(self) -> bool:
        """Whether Ia, Ic, Jp and Jg are read."""

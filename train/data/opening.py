"""Open a shard folder or URL with the configured cache."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from common.errors import UserError
from schemas import Split
from train.data.cache import BlockCache
from train.data.data_config import DataConfig
from train.data.shards import ShardFolder


def open_shards(
    location: Path | str, split: Split, settings: DataConfig, skip_damaged: Callable[[str], None] | None = None
) -> ShardFolder:
    """Open a folder, or a URL through the cache in ``settings.cache``. Raise UserError as ShardFolder does."""
    cache = None
    if "://" in str(location) and settings.cache_bytes:
        cache = BlockCache(settings.cache or _default_cache(), settings.cache_bytes)
    return ShardFolder(location, split, cache=cache, skip_damaged=skip_damaged)


def check_target_size(shards: ShardFolder, stage: str, size: int) -> None:
    """Raise UserError if a stage learns larger images than the shards hold: they would be enlarged."""
    stored = shards.manifest.configuration.target_size
    if size > stored:
        raise UserError(
            f"--shards {shards.folder}: its images have {stored} px a side, and the stage {stage} learns {size} px; "
            f"build shards with --target-size {size}, or train the other stages alone with --stage"
        )


def _default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tryon-cascade" / "shards"

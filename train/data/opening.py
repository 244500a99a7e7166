"""Opening shards as the settings say, and keeping a run to the shards that it was begun with."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from common.atomic import write_atomically
from common.errors import UserError, writing
from schemas import Split
from train.data.cache import BlockCache
from train.data.data_config import DataConfig
from train.data.shards import ShardFolder

DATA = "data.json"


class DataIdentity(BaseModel):
    """`data.json` of a run folder: with the seed, all that the order of the samples depends on besides the position."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fingerprint: str
    """The plan's."""
    samples: int
    """How many the split has."""


def open_shards(
    location: Path | str, split: Split, settings: DataConfig, skip_damaged: Callable[[str], None] | None = None
) -> ShardFolder:
    """Open a folder or a URL; what is read from a URL is kept in ``settings.cache``. Raise UserError as ShardFolder."""
    cache = None
    if "://" in str(location) and settings.cache_bytes:
        cache = BlockCache(settings.cache or _default_cache(), settings.cache_bytes)
    return ShardFolder(location, split, cache=cache, skip_damaged=skip_damaged)


def claim_data(run: Path, shards: ShardFolder) -> None:
    """Write down in the run folder which shards it is trained on, or check that they are those it was begun with.

    Raise UserError where they are others: the order would be another one, and the position would say nothing.
    """
    path = run / DATA
    mine = DataIdentity(fingerprint=shards.manifest.fingerprint, samples=len(shards))
    try:
        held = DataIdentity.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        with writing(path):
            write_atomically(path, (mine.model_dump_json(indent=2) + "\n").encode())
    except ValidationError as error:
        raise UserError(f"{path}: not of this version; give another --runs") from error
    else:
        if held != mine:
            raise UserError(
                f"{run}: was begun with other shards ({held.samples} samples, plan {held.fingerprint[:12]}) than "
                f"{shards.folder} ({mine.samples}, {mine.fingerprint[:12]}); give another --runs, or the same shards"
            )


def _default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tryon-cascade" / "shards"

"""One shard: its records become a tar and an index beside it."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from preprocess.build.sample import Members, make_samples
from preprocess.sources import Files, Record
from schemas import (
    INDEX_SUFFIX,
    MEMBERS,
    Configuration,
    PlannedShard,
    Reject,
    ShardIndex,
    ShardSample,
    write_atomically,
)
from schemas.atomic import sync_folder


@dataclass(frozen=True)
class ShardWork:
    """All that a worker needs to know to build one shard."""

    shard: PlannedShard
    records: tuple[Record, ...]
    configuration: Configuration
    fingerprint: str


def build_shard(files: Files, out: Path, work: ShardWork) -> ShardIndex:
    """Build one shard and commit it: temporary name, fsync, rename, and the index, which marks it done, last."""
    samples: list[ShardSample] = []
    rejects: list[Reject] = []
    mended: Counter[str] = Counter()
    temporary = out / f"{work.shard.name}.{os.getpid()}.tmp"
    try:
        with temporary.open("wb") as raw:
            stream = _Hashed(raw)
            with tarfile.open(fileobj=stream, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
                for made in make_samples(files, work.records, work.configuration):
                    if isinstance(made, Reject):
                        rejects.append(made)
                    else:
                        mended.update(made.sample.mended)
                        samples.append(_append(tar, made))
            raw.flush()
            os.fsync(raw.fileno())
        temporary.replace(out / work.shard.name)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(out)
    index = ShardIndex(
        fingerprint=work.fingerprint,
        name=work.shard.name,
        split=work.shard.split,
        bytes=stream.size,
        sha256=stream.digest.hexdigest(),
        samples=tuple(samples),
        rejects=tuple(rejects),
        mended=dict(sorted(mended.items())),
    )
    write_atomically(index_path(out, work.shard.name), index.model_dump_json().encode())
    return index


def index_path(out: Path, shard: str) -> Path:
    """Return where the index of a shard lies."""
    return out / (shard.removesuffix(".tar") + INDEX_SUFFIX)


def read_index(out: Path, shard: PlannedShard, fingerprint: str) -> ShardIndex | None:
    """Return the index of a shard that is done, None where it has to be built (again)."""
    try:
        index = ShardIndex.model_validate_json(index_path(out, shard.name).read_bytes())
        whole = (out / shard.name).stat().st_size == index.bytes
    except (OSError, ValueError):
        return None
    return index if whole and index.fingerprint == fingerprint else None


def _append(tar: tarfile.TarFile, made: Members) -> ShardSample:
    """Append a sample's members; mtime, owner and mode are fixed, so that the bytes are too."""
    places: dict[str, tuple[int, int]] = {}
    for name in MEMBERS:
        data = made.members[name]
        info = tarfile.TarInfo(f"{made.sample.key}.{name}")
        info.size = len(data)
        info.mode = 0o644
        tar.addfile(info, io.BytesIO(data))
        padded = -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        places[name] = (tar.offset - padded, len(data))
    return ShardSample(key=made.sample.key, members=places)


class _Hashed(io.RawIOBase):
    """A file that knows the size and sha256 of what was written to it."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self.digest = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.digest.update(data)
        self.size += len(data)
        return self._raw.write(data)

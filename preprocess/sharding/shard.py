"""One shard: turns its records into a tar and an index."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from common.storage import Storage
from preprocess.libraries import check_libraries, libraries
from preprocess.sharding.content import ContentReader
from preprocess.sharding.folder import read_index, write_index
from preprocess.sharding.sample import Members, make_samples
from preprocess.sharding.shared_counts import RejectCounter, ShardAbandonedError
from preprocess.sources import Files, Record
from schemas import Configuration, PlannedShard, Reject, ShardIndex, ShardSample, layout_of

_COPY_BUFFER = 1 << 24
"""Bytes written per call: large enough for a whole member, while tarfile's default of 16 KiB takes many calls."""


@dataclass(frozen=True)
class ShardWork:
    """What a worker needs to build one shard; ``digests`` maps each record's key to its digest."""

    shard: PlannedShard
    records: tuple[Record, ...]
    digests: Mapping[str, str]
    configuration: Configuration
    fingerprint: str
    libraries: Mapping[str, str] = field(default_factory=libraries)
    """Versions of the libraries with which the plan was made; a worker on another machine may have others."""


def build_shard(files: Files, out: Storage, work: ShardWork, tally: RejectCounter) -> ShardIndex:
    """Build one shard and commit it: temporary name, fsync, rename; the index, which marks it as done, is written last.

    If another instance has finished the shard meanwhile, its index is returned, and nothing is written. An index that
    exists is never removed: one of an older plan has another digest, and one of this plan describes the same bytes.
    Raise ShardAbandonedError if the run as a whole has too many rejects, UserError if this process has other libraries
    than the plan was made with.
    """
    check_libraries(f"--out {out}", work.libraries)
    if (existing := read_index(out, work.shard)) is not None and existing.fingerprint == work.fingerprint:
        tally.count(samples=len(existing.samples), rejects=len(existing.rejects))
        return existing
    samples: list[ShardSample] = []
    rejects: list[Reject] = []
    repaired: Counter[str] = Counter()
    by_key = {record.key: record for record in work.records}
    reader, names = ContentReader(files), layout_of(work.configuration).names
    with out.writing(work.shard.name) as raw:
        stream = HashedStream(raw)
        with tarfile.TarFile(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT, copybufsize=_COPY_BUFFER) as tar:
            for made in make_samples(reader, work.records, work.configuration):
                if isinstance(made, Reject):
                    rejects.append(made)
                else:
                    repaired.update(made.sample.repaired)
                    content = reader.digest_of(by_key[made.sample.key].inputs)
                    samples.append(append_sample(tar, names, made, work.digests[made.sample.key], content))
                tally.count(samples=isinstance(made, Members), rejects=isinstance(made, Reject))
                if tally.stopped:
                    raise ShardAbandonedError(Counter(reject.reason for reject in rejects))
    index = ShardIndex(
        fingerprint=work.fingerprint,
        digest=work.shard.digest,
        name=work.shard.name,
        split=work.shard.split,
        bytes=stream.size,
        sha256=stream.digest.hexdigest(),
        samples=tuple(samples),
        rejects=tuple(rejects),
        repaired=dict(sorted(repaired.items())),
    )
    write_index(out, index)
    return index


def append_sample(tar: tarfile.TarFile, names: Sequence[str], made: Members, digest: str, content: str) -> ShardSample:
    """Append a sample's members in the order of ``names``.

    Their mtime, owner and mode are fixed, so that the bytes are deterministic.
    """
    places: dict[str, tuple[int, int]] = {}
    for name in names:
        data = made.members[name]
        info = tarfile.TarInfo(f"{made.sample.key}.{name}")
        info.size = len(data)
        info.mode = 0o644
        tar.addfile(info, io.BytesIO(data))
        padded = -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        places[name] = (tar.offset - padded, len(data))
    return ShardSample(key=made.sample.key, digest=digest, content=content, members=places)


class HashedStream(io.RawIOBase):
    """A file wrapper that tracks the size and sha256 of the data written to it."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self.digest = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the number of bytes written."""
        return self.size

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Write all of the data."""
        self.digest.update(data)
        self.size += len(data)
        return self._raw.write(data)

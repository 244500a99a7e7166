"""Digests of the inputs' bytes: stored in the index when a sample is built, and compared again by `--check`.

The plan identifies a file by name and size alone, because reading a whole dataset takes long. So a label file
that was edited without a change of its size is found only by reading it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from common.errors import UserError
from common.storage import Storage
from preprocess.faults import RecordError
from preprocess.planning.plan import PlannedRecords
from preprocess.sharding.folder import check_plan, disk_faults, done_indices, read_plan
from preprocess.sources import Files, Record
from preprocess.workers import in_processes
from schemas import ShardIndex

_DIGITS = 16
"""Hexadecimal digits of a digest; few suffice, as it only detects changes."""
_CHUNK = 64
_NAMED = 3
"""Maximum number of samples named in the message."""


class ContentReader(Files):
    """The files of a dataset; remembers the digest of each file that was read."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._digests: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        """Delegate attributes that `Files` methods need, such as the list of zips, to the wrapped files."""
        return getattr(self._files, name)

    def read(self, path: str) -> bytes:
        """Return a file's bytes, as `Files.read` does."""
        data = self._files.read(path)
        self._digests[path] = hashlib.sha256(data).hexdigest()[:_DIGITS]
        return data

    def digest_of(self, paths: Iterable[str]) -> str:
        """Return the digest of several files' content; those that cannot be read count as empty."""
        return hashlib.sha256("\n".join(map(self._digest, paths)).encode()).hexdigest()[:_DIGITS]

    def _digest(self, path: str) -> str:
        if path and path not in self._digests:
            try:
                self.read(path)
            except RecordError:
                self._digests[path] = ""
        return self._digests.get(path, "")


def check_content(
    files: Files, out: Storage, planned: PlannedRecords, workers: int, progress: Callable[[int, int], None]
) -> int:
    """Compare the inputs of all samples in the folder with those that they were built from; return their number.

    ``progress`` is called with (samples checked, total). Raise UserError, naming some, if the content of any has
    changed.
    """
    existing = read_plan(out)
    if existing is not None:
        check_plan(out, planned.plan, existing)
    with disk_faults(out):
        indices = list(done_indices(out, planned.plan.shards))
    work = [(files, records, built) for index in indices for records, built in _chunks(planned, index)]
    total = sum(len(index.samples) for index in indices)
    changed: list[str] = []
    checked = 0
    progress(0, total)
    for found in in_processes(_changed, work, min(workers, max(1, len(work)))):
        changed += found
        checked = min(total, checked + _CHUNK)
        progress(checked, total)
    if changed:
        some = ", ".join(changed[:_NAMED]) + (", …" if len(changed) > _NAMED else "")
        raise UserError(
            f"--out {out}: inputs of {len(changed)} of {total} samples have changed since they were built, with the "
            f"same sizes: {some}; restore them, or build into another --out"
        )
    return total


def _chunks(planned: PlannedRecords, index: ShardIndex) -> Iterator[tuple[Sequence[Record], Sequence[str]]]:
    records = {record.key: record for record in planned.records[index.name]}
    for start in range(0, len(index.samples), _CHUNK):
        samples = index.samples[start : start + _CHUNK]
        yield [records[sample.key] for sample in samples], [sample.content for sample in samples]


def _changed(files: Files, records: Sequence[Record], built: Sequence[str]) -> list[str]:
    """Return the keys of the records whose inputs are not those of the samples that were built."""
    reader = ContentReader(files)
    return [
        record.key
        for record, content in zip(records, built, strict=True)
        if content and reader.digest_of(record.inputs) != content
    ]

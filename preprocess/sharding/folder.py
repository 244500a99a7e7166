"""The files of a folder of shards other than the tars: plan, indices, rejects, manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from common.errors import UserError
from common.storage import Storage
from preprocess.libraries import check_libraries
from schemas import (
    INDEX_SUFFIX,
    MANIFEST,
    NEAR_DUPLICATES,
    PLAN,
    REJECTS,
    Manifest,
    NearDuplicates,
    Plan,
    PlannedShard,
    Reject,
    ShardEntry,
    ShardIndex,
)


@dataclass(frozen=True)
class Done:
    """The manifest's information about a finished shard."""

    entry: ShardEntry
    rejects: tuple[Reject, ...]
    repaired: dict[str, int]


def summary_of(index: ShardIndex) -> Done:
    """Return the part of an index that the manifest needs."""
    entry = ShardEntry(
        name=index.name,
        split=index.split,
        samples=len(index.samples),
        rejects=len(index.rejects),
        bytes=index.bytes,
        sha256=index.sha256,
    )
    return Done(entry, index.rejects, index.repaired)


def index_name(shard: str) -> str:
    """Return the name of a shard's index."""
    return shard.removesuffix(".tar") + INDEX_SUFFIX


def names_of(shards: Iterable[PlannedShard]) -> set[str]:
    """Return the names of all files in a finished folder of these shards."""
    tars = [shard.name for shard in shards]
    return {PLAN, MANIFEST, REJECTS, NEAR_DUPLICATES, *tars, *map(index_name, tars)}


def records_name(shard: str) -> str:
    """Return the name of the file with a planned shard's records, see `stored_plan`."""
    return shard.removesuffix(".tar") + ".records.json"


def read_plan(out: Storage) -> Plan | None:
    """Return the folder's plan, None if it has none. Raise UserError if it cannot be read."""
    try:
        return Plan.model_validate_json(out.read(PLAN))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UserError(f"--out {out}: {PLAN} cannot be read; give another --out, or remove the folder") from error


def read_near_duplicates(out: Storage) -> NearDuplicates | None:
    """Return the near-duplicates that an earlier run found, None if they cannot be read."""
    try:
        return NearDuplicates.model_validate_json(out.read(NEAR_DUPLICATES))
    except (OSError, ValueError):
        return None


def claim(out: Storage, plan: Plan, near_duplicates: NearDuplicates | None) -> None:
    """Write the plan, or check that the folder already has this plan. Raise UserError if it has another."""
    out.prepare()
    existing = read_plan(out)
    if existing is not None:
        check_plan(out, plan, existing)
    if near_duplicates is not None and near_duplicates != read_near_duplicates(out):
        out.write(NEAR_DUPLICATES, pretty(near_duplicates))
    if existing is None:
        out.write(PLAN, pretty(plan))
        check_plan(out, plan, read_plan(out))  # another instance may have written its own meanwhile


def check_plan(out: Storage, plan: Plan, existing: Plan | None) -> None:
    """Raise UserError unless the folder's ``existing`` plan is this run's, made with the same libraries."""
    if existing is not None:
        check_libraries(f"--out {out}", existing.libraries, plan.libraries)
    fingerprint = existing.fingerprint if existing else "missing"
    if fingerprint != plan.fingerprint:
        raise UserError(
            f"--out {out}: holds shards of other inputs or options (plan {fingerprint[:12]}, this run's is "
            f"{plan.fingerprint[:12]}); give another --out, or remove the folder to rebuild, "
            "or give --retry-rejects after repairing files of rejected records"
        )


def read_index(out: Storage, shard: PlannedShard) -> ShardIndex | None:
    """Return the index of a shard that was built as planned, None if it has to be built (again)."""
    try:
        index = ShardIndex.model_validate_json(out.read(index_name(shard.name)))
        whole = out.size(shard.name) == index.bytes
    except (OSError, ValueError):
        return None
    return index if whole and (index.name, index.digest) == (shard.name, shard.digest) else None


def done_indices(out: Storage, shards: Iterable[PlannedShard]) -> Iterator[ShardIndex]:
    """Yield the indices of the finished shards; names are listed once, which is a single request on S3."""
    existing = set(out.names())
    for shard in shards:
        if index_name(shard.name) in existing and (index := read_index(out, shard)):
            yield index


def find_done(out: Storage, plan: Plan, shards: Iterable[PlannedShard]) -> Iterator[Done]:
    """Yield the finished shards.

    After a retry the folder has a new plan, which includes the shards without rejects unchanged; their indices are
    updated with the new plan's fingerprint.
    """
    for index in done_indices(out, shards):
        if index.fingerprint != plan.fingerprint:
            index = index.model_copy(update={"fingerprint": plan.fingerprint})
            write_index(out, index)
        yield summary_of(index)


def write_index(out: Storage, index: ShardIndex) -> None:
    """Write the index of a shard, which marks it as done."""
    out.write(index_name(index.name), index.model_dump_json().encode())


def make_manifest(plan: Plan, done: Iterable[Done]) -> Manifest:
    """Return the manifest of the finished shards, which may be only some of the plan's."""
    shards = list(done)
    reasons = Counter(reject.reason for shard in shards for reject in shard.rejects)
    repaired: Counter[str] = Counter()
    by_split: Counter[str] = Counter()
    for shard in shards:
        repaired.update(shard.repaired)
        by_split[shard.entry.split] += shard.entry.samples
    return Manifest(
        fingerprint=plan.fingerprint,
        configuration=plan.configuration,
        libraries=plan.libraries,
        records=plan.records,
        samples=sum(by_split.values()),
        rejects=sum(reasons.values()),
        rejects_by_reason=dict(sorted(reasons.items())),
        repaired=dict(sorted(repaired.items())),
        samples_by_split=dict(by_split),
        shards=tuple(shard.entry for shard in shards),
    )


def reject_lines(done: Iterable[Done]) -> bytes:
    """Return the content of rejects.jsonl."""
    return "".join(f"{reject.model_dump_json()}\n" for shard in done for reject in shard.rejects).encode()


def pretty(document: Plan | Manifest | NearDuplicates) -> bytes:
    """Return the content of plan.json, twins.json or manifest.json."""
    return (document.model_dump_json(indent=2) + "\n").encode()


@contextmanager
def disk_faults(out: Storage) -> Iterator[None]:
    """Turn an OSError in the block into a UserError about ``out``."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"--out {out}: {error.strerror}; give a writable folder with enough space, and run the same command again"
        ) from error

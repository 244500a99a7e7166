"""Estimates the size and duration of a build from a few records built in memory; nothing is written."""

from __future__ import annotations

import tarfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.storage import Storage, open_storage
from preprocess.planning.plan import PlannedRecords
from preprocess.sharding.folder import check_plan, disk_faults, done_indices, read_plan
from preprocess.sharding.node import ALONE, Node
from preprocess.sharding.pool import Job, current_job, worker_pool
from preprocess.sharding.sample import Members, make_samples
from preprocess.sharding.shared_counts import RejectCounter
from preprocess.sources import Files, Record
from schemas import Configuration, Plan, PlannedShard

_RUNS = 8
_RUN_LENGTH = 4
"""Consecutive records per run: those that share a person are built together, as in a real build."""
_INDEX_BYTES = 400
"""Bytes per sample in the index and in the manifest."""


@dataclass(frozen=True)
class Estimate:
    """The remaining work. Bytes and seconds are extrapolated from ``sampled`` records, ``rejected`` of them rejects."""

    records: int
    records_by_split: dict[str, int]
    shards: int
    shards_done: int
    bytes: int
    seconds: float
    sampled: int
    rejected: int


@dataclass(frozen=True)
class _Trial:
    bytes: int
    seconds: float
    rejected: int


def estimate(
    files: Files, location: Path | str | Storage, planned: PlannedRecords, workers: int, *, node: Node = ALONE
) -> Estimate:
    """Estimate what `build` would do with the same arguments. Raise the UserErrors that it raises before it starts."""
    plan, out = planned.plan, open_storage(location, "--out")
    with disk_faults(out):
        existing = read_plan(out)
        if existing is not None:
            check_plan(out, plan, existing)
        shards = _unfinished(out, plan, node) if existing else list(node.shards(plan))
    records = [record for shard in shards for record in planned.records[shard.name]]
    by_split: Counter[str] = Counter()
    for shard in shards:
        by_split[shard.split] += shard.records
    sample = _sample(records)
    job = Job(files, out, RejectCounter(None, 0, 0))
    with worker_pool(1, job) as pool:
        trial = pool.submit(_try, sample, plan.configuration).result() if sample else _Trial(0, 0.0, 0)
    share = len(records) / max(1, len(sample))
    return Estimate(
        records=len(records),
        records_by_split=dict(by_split),
        shards=len(shards),
        shards_done=len(node.shards(plan)) - len(shards),
        bytes=round(trial.bytes * share),
        seconds=trial.seconds * share / max(1, min(workers, len(shards))),
        sampled=len(sample),
        rejected=trial.rejected,
    )


def _unfinished(out: Storage, plan: Plan, node: Node) -> list[PlannedShard]:
    shards = node.shards(plan)
    done = {index.name for index in done_indices(out, shards)}
    return [shard for shard in shards if shard.name not in done]


def _sample(records: Sequence[Record]) -> list[Record]:
    """Return a few runs of consecutive records, evenly spread; all records if there are no more than that."""
    if len(records) <= _RUNS * _RUN_LENGTH:
        return list(records)
    starts = (round(run * (len(records) - _RUN_LENGTH) / (_RUNS - 1)) for run in range(_RUNS))
    return [record for start in starts for record in records[start : start + _RUN_LENGTH]]


def _try(records: list[Record], configuration: Configuration) -> _Trial:
    """Build the records in memory, in a worker process."""
    files = current_job().files
    started = time.perf_counter()
    made = list(make_samples(files, records, configuration))
    seconds = time.perf_counter() - started
    sizes = [_in_tar(data) for one in made if isinstance(one, Members) for data in one.members.values()]
    samples = sum(isinstance(one, Members) for one in made)
    return _Trial(sum(sizes) + samples * _INDEX_BYTES, seconds, len(made) - samples)


def _in_tar(data: bytes) -> int:
    return tarfile.BLOCKSIZE + -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE

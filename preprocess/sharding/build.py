"""A whole run: write the plan to the folder, build the missing shards on all cores, and write the manifest last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from common.storage import Storage, open_storage
from preprocess.planning.plan import PlannedRecords
from preprocess.sharding.folder import (
    Done,
    check_plan,
    claim,
    disk_faults,
    find_done,
    index_name,
    make_manifest,
    names_of,
    pretty,
    read_plan,
    records_name,
    reject_lines,
    summary_of,
)
from preprocess.sharding.node import ALONE, Node
from preprocess.sharding.pool import Engine, Job, completed, current_job, worker_pool
from preprocess.sharding.retry import prepare_retry
from preprocess.sharding.shard import ShardWork, build_shard
from preprocess.sharding.shared_counts import RejectCounter, ShardAbandonedError
from preprocess.sources import Files
from schemas import MANIFEST, REJECTS, Manifest, Plan, PlannedShard

ProgressCall = Callable[[int, int], None]
"""Called with (records done, total)."""


@dataclass(frozen=True)
class Summary:
    """The result of a run.

    ``manifest`` is the manifest written or, if other nodes have not built ``shards_missing`` shards yet, a manifest of
    the existing shards. ``shards_found`` were done before the run.
    """

    manifest: Manifest
    shards_found: int
    shards_missing: int
    records_built: int

    @property
    def reject_rate(self) -> float:
        """Share of rejects, in [0, 1], among the records built by this or an earlier run."""
        return self.manifest.rejects / max(1, self.manifest.rejects + self.manifest.samples)


def in_worker_processes(job: Job, work: Sequence[ShardWork], workers: int) -> Generator[Future[Done] | None]:
    """Build shards in processes of this machine: the local engine."""
    if not work:
        return
    with worker_pool(min(workers, len(work)), job) as pool:
        for future in completed([pool.submit(_build_one, shard) for shard in work]):
            if future is not None and isinstance(broken := future.exception(), BrokenProcessPool):
                raise broken  # the pool reports it, not the consumer of the futures
            yield future


def build(
    files: Files,
    location: Path | str | Storage,
    planned: PlannedRecords,
    workers: int,
    progress: ProgressCall,
    *,
    node: Node = ALONE,
    engine: Engine = in_worker_processes,
    max_reject_rate: float | None = None,
    retry_rejects: bool = False,
) -> Summary:
    """Build this node's unfinished shards of the plan; whichever node finishes last writes the manifest.

    ``retry_rejects`` rebuilds the shards that have rejects, see `prepare_retry`. Raise RejectLimitError once at least
    100 records are processed and more than ``max_reject_rate`` (in [0, 1]) of them rejected; finished shards stay.
    Raise UserError if the location is not writable, contains another plan, or a worker was killed.
    """
    plan, out = planned.plan, open_storage(location, "--out")
    with disk_faults(out):
        if retry_rejects:
            prepare_retry(out, planned, node)
        claim(out, plan, planned.near_duplicates)
        out.remove_stale(names_of(node.shards(plan)))
        done = {shard.entry.name: shard for shard in find_done(out, plan, plan.shards)}
        if len(done) < len(plan.shards) and MANIFEST in out.names():
            # Perhaps another instance has just finished: an index may have been missing a moment ago.
            done = {shard.entry.name: shard for shard in find_done(out, plan, plan.shards)}
            if len(done) < len(plan.shards):
                out.remove(MANIFEST)
        already_done = len(done)
        work = [_work(planned, shard) for shard in node.shards(plan) if shard.name not in done]
        tally = RejectCounter(max_reject_rate, *_counts(done))
        seen_before = tally.seen
        with closing(engine(Job(files, out, tally), work, workers)) as futures:  # closed: no task outlives a failed run
            given_up = _collect(futures, done, lambda: progress(tally.seen, plan.records))
        if tally.stopped:
            raise tally.too_many(given_up + Counter(make_manifest(plan, done.values()).rejects_by_reason))
        missing = [shard for shard in plan.shards if shard.name not in done]
        done.update({shard.entry.name: shard for shard in find_done(out, plan, missing)})
        manifest = finish(out, plan, done)
    return Summary(manifest, already_done, len(plan.shards) - len(done), tally.seen - seen_before)


def _work(planned: PlannedRecords, shard: PlannedShard) -> ShardWork:
    records = planned.records[shard.name]
    digests = {record.key: planned.digests[record.key] for record in records}
    return ShardWork(
        shard, records, digests, planned.plan.configuration, planned.plan.fingerprint, planned.plan.libraries
    )


def _counts(done: dict[str, Done]) -> tuple[int, int]:
    """Return the numbers of records and of rejects in the finished shards."""
    rejects = sum(shard.entry.rejects for shard in done.values())
    return rejects + sum(shard.entry.samples for shard in done.values()), rejects


def _collect(futures: Iterable[Future[Done] | None], done: dict[str, Done], beat: Callable[[], None]) -> Counter[str]:
    """Add the shards to ``done`` as they finish; return the reject reasons in shards that were given up."""
    given_up: Counter[str] = Counter()
    beat()
    for future in futures:
        beat()
        if future is None:
            continue
        try:
            shard = future.result()
        except ShardAbandonedError as stopped:
            given_up.update(stopped.reasons)
        else:
            done[shard.entry.name] = shard
    return given_up


def _build_one(work: ShardWork) -> Done:
    job = current_job()
    if job.tally.stopped:
        raise ShardAbandonedError(Counter())
    return summary_of(build_shard(job.files, job.out, work, job.tally))


def finish(out: Storage, plan: Plan, done: dict[str, Done]) -> Manifest:
    """Write rejects, then the manifest, if all shards are done. Raise UserError if the plan was replaced meanwhile.

    A shard whose index another instance has removed since it was read, to build it again, is removed from ``done``:
    that instance finishes it and then writes the manifest.
    """
    existing = set(out.names())
    for name in [name for name in done if not {name, index_name(name)} <= existing]:
        del done[name]
    in_order = [done[shard.name] for shard in plan.shards if shard.name in done]
    manifest = make_manifest(plan, in_order)
    if len(in_order) == len(plan.shards):
        check_plan(out, plan, read_plan(out))
        for name in existing.intersection(records_name(shard.name) for shard in plan.shards):
            out.remove(name)
        out.write(REJECTS, reject_lines(in_order))
        out.remove_stale(names_of(plan.shards))
        out.write(MANIFEST, pretty(manifest))
    return manifest

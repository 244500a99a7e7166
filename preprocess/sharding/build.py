"""A whole run: claim the folder, build what is missing on all cores, and write the manifest last."""

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
    make_manifest,
    names_of,
    pretty,
    read_plan,
    reject_lines,
    summary_of,
)
from preprocess.sharding.node import ALONE, Node
from preprocess.sharding.pool import Engine, Job, completed, current_job, worker_pool
from preprocess.sharding.retry import prepare_retry
from preprocess.sharding.shard import ShardWork, build_shard
from preprocess.sharding.shared_counts import GivenUpError, Tally
from preprocess.sources import Files
from schemas import MANIFEST, REJECTS, Manifest, Plan, PlannedShard

ProgressCall = Callable[[int, int], None]
"""Called with (records done, records in all)."""


@dataclass(frozen=True)
class Summary:
    """What a run ended with.

    ``manifest`` is the one that was written or, where other nodes have not built ``shards_missing`` shards yet, what
    it would be for the shards that there are. ``shards_found`` were done before the run.
    """

    manifest: Manifest
    shards_found: int
    shards_missing: int
    records_built: int

    @property
    def reject_rate(self) -> float:
        """Rejects in [0, 1] of the records that became a sample or a reject, whichever run did that."""
        return self.manifest.rejects / max(1, self.manifest.rejects + self.manifest.samples)


def in_worker_processes(job: Job, work: Sequence[ShardWork], workers: int) -> Generator[Future[Done] | None]:
    """Build shards in processes of this machine: the local engine."""
    if not work:
        return
    with worker_pool(min(workers, len(work)), job) as pool:
        for future in completed([pool.submit(_build_one, shard) for shard in work]):
            if future is not None and isinstance(broken := future.exception(), BrokenProcessPool):
                raise broken  # what the pool is to tell of, not who asked for the shards
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
    """Build every shard of the plan that is this node's and not done yet; who finds all done writes the manifest.

    ``retry_rejects`` builds those shards anew that hold rejects, see `prepare_retry`. Raise RejectLimitError as soon as
    at least 100 records have been seen and more than ``max_reject_rate`` (in [0, 1]) of them rejected: finished
    shards stay. Raise UserError where the location cannot be written to, holds another plan, or a worker was killed.
    """
    plan, out = planned.plan, open_storage(location, "--out")
    with disk_faults(out):
        if retry_rejects:
            prepare_retry(out, planned, node)
        claim(out, plan, planned.near_duplicates)
        out.remove_stale(names_of(node.shards(plan)))
        done = {shard.entry.name: shard for shard in find_done(out, plan, plan.shards)}
        found = len(done)
        if found < len(plan.shards):
            out.remove(MANIFEST)
        work = [_work(planned, shard) for shard in node.shards(plan) if shard.name not in done]
        tally = Tally(max_reject_rate, *_counts(done))
        seen = tally.seen
        with closing(engine(Job(files, out, tally), work, workers)) as futures:  # closed: no task outlives a failed run
            given_up = _collect(futures, done, lambda: progress(tally.seen, plan.records))
        if tally.stopped:
            raise tally.too_many(given_up + Counter(make_manifest(plan, done.values()).rejects_by_reason))
        missing = [shard for shard in plan.shards if shard.name not in done]
        done.update({shard.entry.name: shard for shard in find_done(out, plan, missing)})
        manifest = _finish(out, plan, done)
    return Summary(manifest, found, len(plan.shards) - len(done), tally.seen - seen)


def _work(planned: PlannedRecords, shard: PlannedShard) -> ShardWork:
    records = planned.records[shard.name]
    digests = {record.key: planned.digests[record.key] for record in records}
    return ShardWork(shard, records, digests, planned.plan.configuration, planned.plan.fingerprint)


def _counts(done: dict[str, Done]) -> tuple[int, int]:
    """Return the records and the rejects of the shards that are done."""
    rejects = sum(shard.entry.rejects for shard in done.values())
    return rejects + sum(shard.entry.samples for shard in done.values()), rejects


def _collect(futures: Iterable[Future[Done] | None], done: dict[str, Done], beat: Callable[[], None]) -> Counter[str]:
    """Add the shards to ``done`` as they end; return the reasons of rejects in shards that were given up."""
    given_up: Counter[str] = Counter()
    beat()
    for future in futures:
        beat()
        if future is None:
            continue
        try:
            shard = future.result()
        except GivenUpError as stopped:
            given_up.update(stopped.reasons)
        else:
            done[shard.entry.name] = shard
    return given_up


def _build_one(work: ShardWork) -> Done:
    job = current_job()
    if job.tally.stopped:
        raise GivenUpError(Counter())
    return summary_of(build_shard(job.files, job.out, work, job.tally))


def _finish(out: Storage, plan: Plan, done: dict[str, Done]) -> Manifest:
    """Write rejects, then the manifest, if all shards are done. Raise UserError where the plan was exchanged."""
    in_order = [done[shard.name] for shard in plan.shards if shard.name in done]
    manifest = make_manifest(plan, in_order)
    if len(in_order) == len(plan.shards):
        check_plan(out, plan, read_plan(out))
        out.write(REJECTS, reject_lines(in_order))
        out.remove_stale(names_of(plan.shards))
        out.write(MANIFEST, pretty(manifest))
    return manifest

"""Retry the rejected records of a folder after their files were repaired."""

from __future__ import annotations

from collections.abc import Mapping

from common.errors import UserError
from common.storage import Storage
from preprocess.planning.plan import PlannedRecords
from preprocess.sharding.folder import index_name, pretty, read_index, read_plan
from preprocess.sharding.node import Node
from schemas import MANIFEST, PLAN, Plan, ShardIndex


def prepare_retry(out: Storage, planned: PlannedRecords, node: Node) -> None:
    """Give the folder the new plan and unmark the shards that are to be built anew; the others' tars stay as they are.

    Repairing files changes their sizes and so the plan's fingerprint. The new plan is taken on if the configuration is
    the same and every record that had become a sample is still planned, with all inputs of the same size. Rejected
    records may have changed, and may have gone or been joined by new ones (a repaired annotation can name another
    view). Built anew are the shards that hold rejects and those that the new plan cuts otherwise.

    Order of steps: manifest away, indices away, plan exchanged; after a crash anywhere, a shard without an index has
    nothing to lose, and the same call goes on. Raise UserError where there is nothing to retry, samples would change,
    or several nodes are at work (the retry would take away what another one has just built).
    """
    if node.count > 1:
        raise UserError("--retry-rejects: runs on one node; leave --num-nodes away, or start the others after it")
    held = read_plan(out)
    if held is None:
        raise UserError(f"--out {out}: no shards to retry in it; run without --retry-rejects")
    plan = planned.plan
    if held.configuration != plan.configuration:
        raise UserError(f"--out {out}: built with other options; retry with the same ones, or give another --out")
    stale = _stale_shards(out, held, planned)
    if not stale and held == plan:
        return
    out.remove(MANIFEST)
    names = {shard.name for shard in plan.shards}
    for name in stale:
        out.remove(index_name(name))
        if name not in names:
            out.remove(name)
    out.settle()
    if held != plan:
        out.write(PLAN, pretty(plan))


def _stale_shards(out: Storage, held: Plan, planned: PlannedRecords) -> list[str]:
    """Return those of the held plan's shards that have to go; the samples of all are checked first."""
    kept = {(shard.name, shard.digest) for shard in planned.plan.shards}
    stale: list[str] = []
    for shard in held.shards:
        index = read_index(out, shard)
        if index is not None:
            _check_samples(out, index, planned.digests)
        if index is None or index.rejects or (shard.name, shard.digest) not in kept:
            stale.append(shard.name)
    return stale


def _check_samples(out: Storage, index: ShardIndex, digests: Mapping[str, str]) -> None:
    for sample in index.samples:
        if digests.get(sample.key) != sample.digest:
            change = "changed" if sample.key in digests else "gone"
            raise UserError(
                f"--out {out}: inputs of {sample.key} in {index.name} have {change}, and it was no reject; "
                "put them back, or build into another --out"
            )

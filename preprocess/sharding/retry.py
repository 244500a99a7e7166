"""Retry the rejected records of a folder after their files were repaired."""

from __future__ import annotations

from collections.abc import Mapping

from common.errors import UserError
from common.storage import Storage
from preprocess.libraries import check_libraries
from preprocess.planning.plan import PlannedRecords
from preprocess.sharding.folder import index_name, pretty, read_index, read_plan
from preprocess.sharding.node import Node
from schemas import MANIFEST, PLAN, Plan, ShardIndex


def prepare_retry(out: Storage, planned: PlannedRecords, node: Node) -> None:
    """Write the new plan to the folder and unmark the shards that must be rebuilt; the other tars are not touched.

    Repairing files changes their sizes and so the plan's fingerprint. The new plan is accepted if the configuration is
    the same and every record that became a sample is still planned, with all inputs of the same size. Rejected records
    may have changed or disappeared, and there may be new ones (a repaired annotation can name another view). Shards
    with rejects are rebuilt, and shards whose records differ in the new plan.

    Order of steps: remove the manifest, remove the indices, replace the plan. After a crash at any point the same call
    resumes: a shard without an index is simply rebuilt. Raise UserError if there is nothing to retry, if samples would
    change, or if there are several nodes (the retry would remove what another one has just built).
    """
    if node.count > 1:
        raise UserError("--retry-rejects: runs on one node; omit --num-nodes, or start the other nodes after it")
    old = read_plan(out)
    if old is None:
        raise UserError(f"--out {out}: no shards to retry in it; run without --retry-rejects")
    plan = planned.plan
    check_libraries(f"--out {out}", old.libraries, plan.libraries)
    if old.configuration != plan.configuration:
        raise UserError(f"--out {out}: built with other options; retry with the same ones, or give another --out")
    stale = _stale_shards(out, old, planned)
    if not stale and old == plan:
        return
    out.remove(MANIFEST)
    names = {shard.name for shard in plan.shards}
    for name in stale:
        out.remove(index_name(name))
        if name not in names:
            out.remove(name)
    out.settle()
    if old != plan:
        out.write(PLAN, pretty(plan))


def _stale_shards(out: Storage, old: Plan, planned: PlannedRecords) -> list[str]:
    """Return the old plan's shards that must be rebuilt or removed; check that the samples of all are unchanged."""
    kept = {(shard.name, shard.digest) for shard in planned.plan.shards}
    stale: list[str] = []
    for shard in old.shards:
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
                f"--out {out}: inputs of {sample.key} in {index.name} have {change}, and it was not a reject; "
                "restore them, or build into another --out"
            )

"""The records of a plan beside it, a file for each shard: one machine plans, and all others only build.

The files exist while shards are built; whoever writes the manifest removes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from common.errors import UserError
from common.storage import Storage
from preprocess.libraries import check_libraries
from preprocess.planning.plan import PlannedRecords
from preprocess.sharding.folder import claim, disk_faults, done_indices, read_index, read_plan, records_name
from preprocess.sharding.node import Node
from preprocess.sources import Record
from schemas import PlannedShard

_AT_ONCE = 16


def store_plan(out: Storage, planned: PlannedRecords) -> None:
    """Write the records of every unfinished shard, then the plan. Raise UserError if the folder has another one."""
    with disk_faults(out):
        existing = read_plan(out)
        if existing is not None:
            claim(out, planned.plan, planned.near_duplicates)
        out.prepare()
        done = {index.name for index in done_indices(out, planned.plan.shards)} if existing else set()

        def write(shard: PlannedShard) -> None:
            records = planned.records[shard.name]
            digests = [planned.digests[record.key] for record in records]
            document = {"records": [asdict(record) for record in records], "digests": digests}
            out.write(records_name(shard.name), json.dumps(document, separators=(",", ":")).encode())

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(write, (shard for shard in planned.plan.shards if shard.name not in done)))
        claim(out, planned.plan, planned.near_duplicates)


def load_plan(out: Storage, node: Node) -> PlannedRecords:
    """Return the folder's plan, with the records of this node's unfinished shards.

    Raise UserError if the folder has no plan, or not the records of these shards.
    """
    with disk_faults(out):
        plan = read_plan(out)
        if plan is None:
            raise UserError(f"--out {out}: no plan in it; run prep build-shards --plan-only on one machine first")
        check_libraries(f"--out {out}", plan.libraries)
        done = {index.name for index in done_indices(out, node.shards(plan))}
        waiting = [shard for shard in node.shards(plan) if shard.name not in done]
        return _with_records(out, PlannedRecords(plan, {}, {}), waiting)


def _with_records(out: Storage, planned: PlannedRecords, shards: Iterable[PlannedShard]) -> PlannedRecords:
    for shard in shards:
        try:
            document = json.loads(out.read(records_name(shard.name)))
            records = tuple(Record(**record) for record in document["records"])
            digests = dict(zip((record.key for record in records), document["digests"], strict=True))
        except FileNotFoundError as error:
            if read_index(out, shard) is not None:  # another machine has finished it, and the rest, meanwhile
                continue
            raise UserError(
                f"--out {out}: the plan has no {records_name(shard.name)}; run prep build-shards --plan-only again"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{out.where(records_name(shard.name))}: damaged; run --plan-only again") from error
        planned.records[shard.name] = records
        planned.digests.update(digests)
    return planned

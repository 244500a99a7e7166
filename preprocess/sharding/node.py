"""One of several machines that fill a shared folder together."""

from __future__ import annotations

from dataclasses import dataclass

from common.errors import UserError
from schemas import Plan, PlannedShard


@dataclass(frozen=True)
class Node:
    """Node ``rank`` of ``count``. Raise UserError unless 0 ≤ rank < count."""

    rank: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.count:
            raise UserError(
                f"--node-rank {self.rank} --num-nodes {self.count}: ranks go from 0 to the number of nodes less one"
            )

    def shards(self, plan: Plan) -> tuple[PlannedShard, ...]:
        """Return this node's shards: every ``count``-th, starting at ``rank``."""
        return plan.shards[self.rank :: self.count]


ALONE = Node()
"""The only node."""

"""A problem of a folder of shards."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """Where (name of the shard or file, key, ending of the member; "" if it concerns several) and what."""

    shard: str
    key: str
    member: str
    problem: str

    def __str__(self) -> str:
        place = ".".join(part for part in (self.key, self.member) if part)
        return ": ".join(part for part in (self.shard, place, self.problem) if part)

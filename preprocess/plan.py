"""The plan: records in order, cut into shards, with a fingerprint of everything that decides the bytes.

A pure function of the data set's names and sizes and of the configuration; it reads no picture. Every machine that
works on the same inputs comes to the same plan.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from preprocess.sources import Files, Record
from schemas import SCHEMA_VERSION, Configuration, Plan, PlannedShard, UserError

_RECIPE = 1
"""Raised by one whenever the same inputs give other bytes, so that a folder never mixes two versions."""

_SHARDS_PER_SPLIT = 32
_SMALLEST_SHARD = 16
_LARGEST_SHARD = 1024


@dataclass(frozen=True)
class PlannedRecords:
    """The plan as it is written, and the records of each of its shards."""

    plan: Plan
    records: dict[str, tuple[Record, ...]]


def make_plan(files: Files, records: Sequence[Record], configuration: Configuration) -> PlannedRecords:
    """Order the records and cut them into shards. Raise UserError where two records have the same key."""
    ordered = sorted(records, key=lambda record: (record.split, record.look, record.frame, record.garment, record.key))
    _check_keys(ordered)
    by_shard: dict[str, tuple[Record, ...]] = {}
    shards: list[PlannedShard] = []
    for split, group in groupby(ordered, key=lambda record: record.split):
        of_split = list(group)
        size = min(_LARGEST_SHARD, max(_SMALLEST_SHARD, -(-len(of_split) // _SHARDS_PER_SPLIT)))
        for number, start in enumerate(range(0, len(of_split), size)):
            name = f"{split}-{number:06d}.tar"
            by_shard[name] = tuple(of_split[start : start + size])
            shards.append(PlannedShard(name=name, split=split, records=len(by_shard[name])))
    plan = Plan(
        fingerprint=_fingerprint(files, ordered, configuration),
        configuration=configuration,
        records=len(ordered),
        shards=tuple(shards),
    )
    return PlannedRecords(plan, by_shard)


def _check_keys(records: Sequence[Record]) -> None:
    seen: dict[str, Record] = {}
    for record in records:
        if record.key in seen:
            raise UserError(
                f"{record.person_image or record.look}: two pairs would get the key {record.key}; "
                "rename one of the pictures, or take one of two copies of the data set away"
            )
        seen[record.key] = record


def _fingerprint(files: Files, records: Sequence[Record], configuration: Configuration) -> str:
    digest = hashlib.sha256()
    head = {"recipe": _RECIPE, "schema": SCHEMA_VERSION, "configuration": configuration.model_dump()}
    digest.update(json.dumps(head, sort_keys=True).encode())
    sizes: dict[str, int] = {}
    for record in records:
        for path in record.inputs:
            if path and path not in sizes:
                sizes[path] = files.size(path)
        line = (record.key, record.garment, record.view, *((path, sizes.get(path, -1)) for path in record.inputs))
        digest.update(json.dumps(line, ensure_ascii=False).encode())
    return digest.hexdigest()

"""The plan: records in order, divided into shards, with a fingerprint of everything that determines the bytes.

A pure function of the dataset's file names and sizes, of the configuration, and of the versions of the libraries that
decide bytes; it reads no image. Every machine with the same inputs and libraries computes the same plan.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby

from common.errors import UserError
from preprocess.libraries import libraries
from preprocess.sources import Files, Record
from schemas import SCHEMA_VERSION, Configuration, NearDuplicates, Plan, PlannedShard, Split

_RECIPE = 3
"""Incremented whenever the same inputs give different bytes, so that a folder never mixes two versions."""

_SHARDS_PER_SPLIT = 32
_SMALLEST_SHARD = 16
_LARGEST_SHARD = 1024
_DIGITS = 16
"""Hexadecimal digits of a record's digest; few suffice, as it only detects changes of a record."""


@dataclass(frozen=True)
class PlannedRecords:
    """The plan as written to disk, the records of each of its shards, and each record's digest by its key."""

    plan: Plan
    records: dict[str, tuple[Record, ...]]
    digests: dict[str, str]
    near_duplicates: NearDuplicates | None = None


def make_plan(
    files: Files, records: Sequence[Record], configuration: Configuration, near_duplicates: NearDuplicates | None = None
) -> PlannedRecords:
    """Order the records and divide them into shards. Raise UserError if two records have the same key.

    ``near_duplicates`` determined the records' splits; they are stored with the plan, so that they are computed once.
    """
    ordered = _distinct(records)
    _check_keys(ordered)
    digests = record_digests(files, ordered, configuration)
    by_shard = divided(ordered, configuration)
    shards = planned_shards(by_shard, digests)
    plan = Plan(
        fingerprint=fingerprint_of(configuration, shards),
        configuration=configuration,
        libraries=libraries(),
        records=len(ordered),
        moved=sum(record.worn and record.split != record.part for record in ordered),
        shards=tuple(shards),
    )
    return PlannedRecords(plan, by_shard, digests, near_duplicates)


def divided(
    records: Iterable[Record], configuration: Configuration, first: Mapping[Split, int] | None = None
) -> dict[str, tuple[Record, ...]]:
    """Return the records of each shard by its name, in order; ``first`` is the number of each split's first shard."""
    ordered = sorted(
        records, key=lambda record: (record.split, record.part, record.look, record.frame, record.garment, record.key)
    )
    by_shard: dict[str, tuple[Record, ...]] = {}
    for split, group in groupby(ordered, key=lambda record: record.split):
        of_split = list(group)
        size = configuration.samples_per_shard or _shard_size(len(of_split))
        for number, start in enumerate(range(0, len(of_split), size), (first or {}).get(split, 0)):
            by_shard[f"{split}-{number:06d}.tar"] = tuple(of_split[start : start + size])
    return by_shard


def planned_shards(
    by_shard: Mapping[str, Sequence[Record]], digests: Mapping[str, str]
) -> list[PlannedShard]:  # fmt: skip
    """Return the shards as planned, each with the digest of its records."""
    return [
        PlannedShard(
            name=name,
            split=records[0].split,
            records=len(records),
            digest=_sha256([digests[record.key] for record in records]),
        )
        for name, records in by_shard.items()
    ]


def fingerprint_of(
    configuration: Configuration, shards: Iterable[PlannedShard], versions: Mapping[str, str] | None = None
) -> str:
    """Return the fingerprint of a plan; ``versions`` are those of the libraries, by default this run's."""
    return _sha256([_head(configuration, versions), *([shard.name, shard.digest] for shard in shards)])


def _shard_size(records: int) -> int:
    """Return the number of records of a shard, if a split has so many."""
    return min(_LARGEST_SHARD, max(_SMALLEST_SHARD, -(-records // _SHARDS_PER_SPLIT)))


def _distinct(records: Sequence[Record]) -> list[Record]:
    """Return the records with a digest in those keys that several would have, as of 'a b' and 'a-b'."""
    counts = Counter(record.key for record in records)
    return [replace(record, distinct=True) if counts[record.key] > 1 else record for record in records]


def _check_keys(records: Sequence[Record]) -> None:
    seen: dict[str, Record] = {}
    for record in records:
        if record.key in seen:
            raise UserError(
                f"{record.person_image or record.look}: two pairs would get the key {record.key}; "
                "rename one of the images, or remove one of two copies of the dataset"
            )
        seen[record.key] = record


def record_digests(files: Files, records: Iterable[Record], configuration: Configuration) -> dict[str, str]:
    """Return the digest of every record by its key, over all its fields and its inputs' stamps."""
    head = _head(configuration)
    later = ("labels", "distinct", "layout", "worn", "agnostic_mask")
    names = [field.name for field in fields(Record) if field.name not in later]
    stamps: dict[str, tuple[int, ...]] = {"": (-1,)}
    result: dict[str, str] = {}
    for record in records:
        for path in record.inputs:
            if path not in stamps:
                stamps[path] = files.stamp(path)
        values = [getattr(record, name) for name in names]
        if record.labels != "aihub":  # shards from before there were other label tables keep their digests
            values.append(record.labels)
        if not record.worn or record.agnostic_mask:  # as do those from before records of inference and masks by hand
            values.append([record.worn, record.agnostic_mask])
        if record.distinct:  # as are those from before keys could have a digest
            values.append(record.key)
        result[record.key] = _sha256([head, values, [stamps[path] for path in record.inputs]])[:_DIGITS]
    return result


def _head(configuration: Configuration, versions: Mapping[str, str] | None = None) -> str:
    head = {
        "recipe": _RECIPE,
        "schema": SCHEMA_VERSION,
        "configuration": configuration.model_dump(exclude_none=True),
        "libraries": libraries() if versions is None else dict(versions),
    }
    return json.dumps(head, sort_keys=True)


def _sha256(document: object) -> str:
    return hashlib.sha256(json.dumps(document).encode()).hexdigest()

"""A part of a finished folder: the samples that fulfil conditions, with the bytes of their members as they are."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from common.errors import UserError
from common.storage import Storage, open_storage
from preprocess.sharding.folder import disk_faults
from preprocess.sharding.reshaping.finished import Finished, fill_folder, make_plan_of, open_finished
from preprocess.sharding.reshaping.selection import as_text, read_conditions
from preprocess.sharding.sample import Members
from preprocess.sharding.shard import HashedStream, append_sample
from schemas import Manifest, PlannedShard, Sample, ShardIndex, ShardSample, layout_of

_Chosen = list[tuple[ShardSample, Sample]]
_SHOWN = 5
"""Values of a field in a message."""


def subset(
    location: Path | str, out: Path | str | Storage, where: Sequence[str], progress: Callable[[int, int], None]
) -> Manifest:
    """Write the samples that fulfil all conditions to another folder, which a run that was interrupted resumes.

    Each shard keeps its name, unless nothing is left of it; rejects are left out. Raise UserError if no sample is left.
    """
    conditions = read_conditions(where)
    source = open_finished(location)
    chosen: dict[str, _Chosen] = {}
    values: dict[str, dict[str, None]] = {condition.field: {} for condition in conditions}
    for index, place, sample in source.samples():
        if all(condition.holds(sample) for condition in conditions):
            chosen.setdefault(index.name, []).append((place, sample))
        elif not chosen:
            for condition in conditions:
                if len(values[condition.field]) <= _SHOWN:
                    values[condition.field][as_text(condition.found(sample))] = None
    if not chosen:
        raise UserError(f"--where {' '.join(where)}: no sample of {source.folder} fulfils it; {_listed(values)}")
    texts = (*source.plan.configuration.where, *(condition.text for condition in conditions))
    configuration = source.plan.configuration.model_copy(update={"where": texts})
    shards = [
        shard.model_copy(update={"records": len(chosen[shard.name]), "digest": _digest(chosen[shard.name])})
        for shard in source.plan.shards
        if shard.name in chosen
    ]
    plan = make_plan_of(configuration, source.plan.libraries, shards, 0)
    target = open_storage(out, "--out")
    names = layout_of(configuration).names

    def fill(shard: PlannedShard) -> ShardIndex:
        return _write(source, chosen[shard.name], target, shard, plan.fingerprint, names)

    with disk_faults(target):
        return fill_folder(target, plan, [source.folder], fill, progress)


def _listed(values: dict[str, dict[str, None]]) -> str:
    """Return some of the values that each field has, for a message."""
    return "; ".join(
        f"{field} is {', '.join(list(seen)[:_SHOWN])}{', …' if len(seen) > _SHOWN else ''}"
        for field, seen in values.items()
    )


def _digest(chosen: _Chosen) -> str:
    digests = [[place.key, place.digest, place.content] for place, _ in chosen]
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def _write(
    source: Finished, chosen: _Chosen, out: Storage, shard: PlannedShard, fingerprint: str, names: Sequence[str]
) -> ShardIndex:  # fmt: skip
    """Write one shard of the chosen samples, and return its index."""
    samples = []
    with source.folder.open(shard.name) as file, out.writing(shard.name) as raw:
        stream = HashedStream(raw)
        with tarfile.TarFile(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for place, sample in chosen:
                members = {}
                for name in names:
                    offset, size = place.members[name]
                    file.seek(offset)
                    members[name] = file.read(size)
                samples.append(append_sample(tar, names, Members(sample, members), place.digest, place.content))
    repaired = Counter(code for _, sample in chosen for code in sample.repaired)
    return ShardIndex(
        fingerprint=fingerprint,
        digest=shard.digest,
        name=shard.name,
        split=shard.split,
        bytes=stream.size,
        sha256=stream.digest.hexdigest(),
        samples=tuple(samples),
        rejects=(),
        repaired=dict(sorted(repaired.items())),
    )

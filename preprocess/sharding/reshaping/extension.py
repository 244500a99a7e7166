"""New records for a finished folder: they get shards of their own, and the tars that exist are not touched.

A new record goes where its look or garment already is: what is linked with a sample of training is trained on, and what
is linked with one of validation validates. A record that is linked with both is excluded, as it would leak. Records for
inference, whose garments are not worn, are in validation and link nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from common.errors import UserError
from common.storage import Storage
from preprocess.libraries import check_libraries, libraries
from preprocess.planning.plan import PlannedRecords, divided, fingerprint_of, planned_shards, record_digests
from preprocess.planning.splits import Groups, Node, linked, nodes_of
from preprocess.sharding.folder import done_indices, pretty, read_plan
from preprocess.sharding.reshaping.finished import Finished
from preprocess.sources import Files, Record
from schemas import MANIFEST, PLAN, Configuration, NearDuplicates, Plan, PlannedShard, Sample, Split

_SIDE = re.compile(r"_[FB]$")
_NUMBER = re.compile(r"-(\d+)\.tar$")
Extension = tuple[PlannedRecords, int]
"""The plan, and how many new records were excluded because they link the splits."""


def open_base(out: Storage) -> Finished:
    """Return a folder as it was before an extension that was interrupted, or as it is.

    Raise UserError if it was never finished, is not as planned, or was built in a way that cannot be continued.
    """
    plan = read_plan(out)
    if plan is None:
        raise UserError(f"--shards {out}: no {PLAN} in it; build shards first with prep build-shards")
    check_libraries(f"--shards {out}", plan.libraries)
    finished = MANIFEST in out.names()
    if not finished and plan.extended_from is None:
        raise UserError(f"--shards {out}: not finished; run the command that builds it again, and then extend it")
    configuration = plan.configuration
    for option, used in (("--limit", configuration.limit), ("prep subset", configuration.where)):
        if used:
            raise UserError(f"--shards {out}: was made with {option}, which leaves records out; build another folder")
    if configuration.sources:
        raise UserError(f"--shards {out}: was merged from several datasets; extend one of them, and merge again")
    shards = plan.shards if finished else plan.shards[: plan.extended_from]
    indices = tuple(done_indices(out, shards))
    if len(indices) != len(shards):
        raise UserError(f"--shards {out}: shards are missing or do not fit their indices; run prep verify")
    return Finished(out, plan.model_copy(update={"shards": shards}), indices)


def plan_extension(
    files: Files, base: Finished, records: Sequence[Record], near_duplicates: NearDuplicates
) -> Extension:  # fmt: skip
    """Plan the shards of the records that the folder lacks.

    Raise UserError if nothing is new, or the inputs of samples that exist have changed.
    """
    configuration = base.plan.configuration
    fresh = _fresh(files, base, records, configuration)
    worn = [record for record in records if record.worn]
    groups, splits = _old_splits(base, linked(files, worn, near_duplicates), worn)
    placed = [(record, _split(record, groups, splits, fresh)) for record in fresh]
    kept = [replace(record, split=split) for record, split in placed if split is not None]
    if not kept:
        raise UserError(
            f"--shards {base.folder}: nothing to add: {len(records) - len(fresh)} of {len(records)} records are in it, "
            f"and {len(fresh)} would link its splits"
        )
    digests = record_digests(files, kept, configuration)
    by_shard = divided(kept, configuration, _next_numbers(base.plan.shards))
    shards = (*base.plan.shards, *planned_shards(by_shard, digests))
    plan = Plan(
        fingerprint=fingerprint_of(configuration, shards),
        configuration=configuration,
        libraries=libraries(),
        records=sum(shard.records for shard in shards),
        moved=base.plan.moved + sum(record.worn and record.split != record.part for record in kept),
        extended_from=len(base.plan.shards),
        shards=shards,
    )
    return PlannedRecords(plan, by_shard, digests), len(fresh) - len(kept)


def prepare_extension(base: Finished, plan: Plan) -> None:
    """Write the plan of the extension, unless an interrupted run has; the manifest is removed before.

    Raise UserError if that run had other inputs.
    """
    existing = read_plan(base.folder)
    if existing == plan:
        return
    if existing is not None and len(existing.shards) != len(base.plan.shards):
        raise UserError(
            f"--shards {base.folder}: an extension by other inputs was interrupted; run it again with the same ones"
        )
    base.folder.remove(MANIFEST)
    base.folder.settle()
    base.folder.write(PLAN, pretty(plan))


def _fresh(
    files: Files, base: Finished, records: Sequence[Record], configuration: Configuration
) -> list[Record]:  # fmt: skip
    """Return the records that the folder lacks, with a digest in the keys that others have."""
    built = {sample.key: sample.digest for index in base.indices for sample in index.samples}
    rejected = {reject.key for index in base.indices for reject in index.rejects}
    taken = {*built, *rejected}
    by_key: dict[str, list[Record]] = {}
    for record in records:
        by_key.setdefault(record.key, []).append(record)
    fresh: list[Record] = []
    for key, same in by_key.items():
        if len(same) == 1 and key not in taken:
            fresh += same
            continue
        candidates = [form for record in same for form in (record, replace(record, distinct=True))]
        known = {_identity(form) for form in candidates if _is_built(files, form, built, configuration)}
        known |= {_identity(form) for form in candidates if form.key in rejected}
        others = [record for record in same if _identity(record) not in known]
        if others and len(same) == 1:
            raise UserError(
                f"--shards {base.folder}: inputs of {key} have changed since it was built; restore them, or build "
                "another folder"
            )
        fresh += [replace(record, distinct=True) for record in others]
    return fresh


def _identity(record: Record) -> tuple[str, ...]:
    return (record.part, record.look, record.frame, record.item, record.side, record.person_image, record.product_image)


def _is_built(files: Files, record: Record, built: dict[str, str], configuration: Configuration) -> bool:
    """Return whether the record became a sample, in whichever split it is."""
    if record.key not in built:
        return False
    splits: tuple[Split, ...] = ("train", "val")
    forms = (replace(record, split=split) for split in splits)
    return any(record_digests(files, [form], configuration)[form.key] == built[form.key] for form in forms)


def _old_splits(
    base: Finished, groups: Groups, records: Sequence[Record]
) -> tuple[Groups, dict[Node, set[Split]]]:  # fmt: skip
    """Return the groups with the folder's samples in them, and the splits that each of these groups is in."""
    listed = {node for record in records for node in nodes_of(record)}
    nodes: list[tuple[tuple[Node, Node], Split]] = []
    for _, _, sample in base.samples():
        if not sample.worn:
            continue
        pair = _nodes_of_sample(sample)
        groups.join(*pair)
        nodes.append((pair, sample.split))
        for what, _, name in (node for node in pair if node not in listed):  # without an image to compare
            for part in ("train", "val"):
                groups.join((what, "train", name), (what, part, name))
    splits: dict[Node, set[Split]] = {}
    for pair, split in nodes:
        splits.setdefault(groups.of(pair[0]), set()).add(split)
    return groups, splits


def _nodes_of_sample(sample: Sample) -> tuple[Node, Node]:
    part: Split = "train" if sample.key.startswith("train_") else "val"
    item = _SIDE.sub("", sample.item) if sample.pairing == "item" else sample.item
    return ("look", part, sample.look), ("item", part, item)


def _split(
    record: Record, groups: Groups, old: dict[Node, set[Split]], fresh: Iterable[Record]
) -> Split | None:  # fmt: skip
    """Return the split of a new record, None if it is linked with both."""
    if not record.worn:
        return "val"
    group = groups.of(nodes_of(record)[0])
    found = old.get(group, set())
    if len(found) > 1:
        return None
    return next(iter(found), record.split)


def _next_numbers(shards: Iterable[PlannedShard]) -> dict[Split, int]:
    numbers: dict[Split, int] = {}
    for shard in shards:
        match = _NUMBER.search(shard.name)
        assert match is not None, "the schema checks the names of shards"
        numbers[shard.split] = max(numbers.get(shard.split, 0), int(match[1]) + 1)
    return numbers

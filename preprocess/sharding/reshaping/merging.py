"""Several finished folders as one: their shards are copied byte by byte, and get new names and indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from common.errors import UserError
from common.storage import Storage, open_storage
from preprocess.libraries import check_libraries
from preprocess.sharding.folder import disk_faults
from preprocess.sharding.reshaping.finished import Finished, copy_shard, fill_folder, make_plan_of, open_finished
from schemas import Configuration, Manifest, PlannedShard, ShardIndex, Split, layout_of

_SPLITS: tuple[Split, ...] = ("train", "val")
_WIDER: dict[str, Any] = {"garment": "all", "pairing": "both", "views": "all"}
"""What a choice becomes if the folders have several."""
_FIRST = ("source", "linings", "jpeg_quality")
"""Choices of which the first folder's is written; `sources` lists all sources, and each sample names its own."""


class _Origin(NamedTuple):
    folder: Finished
    built: ShardIndex
    shard: PlannedShard


def merge(
    locations: Sequence[Path | str], out: Path | str | Storage, progress: Callable[[int, int], None]
) -> Manifest:  # fmt: skip
    """Merge finished folders into another one, which a run that was interrupted resumes.

    Raise UserError if their samples are of other sizes or formats, were built with other libraries, or have a key in
    common, and if a look is in training in one folder and in validation in another.
    """
    folders = [open_finished(location) for location in locations]
    first = folders[0]
    for folder in folders[1:]:
        check_libraries(f"--shards {folder.folder}", folder.plan.libraries, first.plan.libraries)
        if layout_of(folder.plan.configuration) != layout_of(first.plan.configuration):
            raise UserError(
                f"--shards {folder.folder}: its samples have other sizes, formats or members than those of "
                f"{first.folder}; build both with the same options"
            )
    _check_keys(folders)
    _check_looks(folders)
    origins = _renamed(folders)
    configuration = merged_configuration([folder.plan.configuration for folder in folders])
    moved = sum(folder.plan.moved for folder in folders)
    plan = make_plan_of(configuration, first.plan.libraries, [origin.shard for origin in origins.values()], moved)
    target = open_storage(out, "--out")

    def fill(shard: PlannedShard) -> ShardIndex:
        origin = origins[shard.name]
        copy_shard(origin.folder.folder, origin.built, target, shard.name)
        return origin.built.model_copy(update={"name": shard.name, "fingerprint": plan.fingerprint})

    with disk_faults(target):
        return fill_folder(target, plan, [folder.folder for folder in folders], fill, progress)


def merged_configuration(parts: Sequence[Configuration]) -> Configuration:
    """Return a configuration that covers all: where choices differ, the widest one, the first one's, or none."""
    first = parts[0]
    changes: dict[str, Any] = {}
    for name in Configuration.model_fields:
        if len({getattr(part, name) for part in parts}) > 1 and name not in _FIRST:
            changes[name] = _WIDER.get(name, Configuration.model_fields[name].default)
    sources = tuple(dict.fromkeys(source for part in parts for source in (part.sources or (part.source,))))
    return first.model_copy(update={**changes, "sources": sources if len(sources) > 1 else ()})


def _renamed(folders: Sequence[Finished]) -> dict[str, _Origin]:
    """Return the shards by their new names: those of training first, in the order of the folders."""
    origins: dict[str, _Origin] = {}
    for split in _SPLITS:
        shards = [
            (folder, index, shard)
            for folder in folders
            for index, shard in zip(folder.indices, folder.plan.shards, strict=True)
            if shard.split == split
        ]
        for number, (folder, index, shard) in enumerate(shards):
            name = f"{split}-{number:06d}.tar"
            origins[name] = _Origin(folder, index, shard.model_copy(update={"name": name}))
    return origins


def _check_keys(folders: Sequence[Finished]) -> None:
    first: dict[str, Finished] = {}
    for folder in folders:
        for index in folder.indices:
            for key in (*(sample.key for sample in index.samples), *(reject.key for reject in index.rejects)):
                if first.setdefault(key, folder) is not folder:
                    raise UserError(
                        f"--shards {folder.folder}: {key} is in {first[key].folder}, too; take it out of one of them "
                        f"with prep subset --where key!={key}"
                    )


def _check_looks(folders: Sequence[Finished]) -> None:
    seen: dict[str, tuple[Split, Finished]] = {}
    for folder in folders:
        for _, _, sample in folder.samples():
            split, other = seen.setdefault(sample.look, (sample.split, folder))
            if split != sample.split:
                raise UserError(
                    f"--shards {folder.folder}: the look {sample.look} is in {sample.split}, and in {split} of "
                    f"{other.folder}: it would leak; take it out of one with prep subset --where look!={sample.look}"
                )

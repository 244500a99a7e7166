"""What is checked before the first sample is read: that manifest, indices and shards belong together."""

from __future__ import annotations

import json
from pathlib import PurePath

from common.errors import UserError
from schemas import INDEX_SUFFIX, MANIFEST, MEMBERS, SCHEMA_VERSION, Manifest, ShardEntry, ShardIndex
from train.data.stores import Store

_BUILD = "prep build-shards --out"

_EXECUTABLE = {".pkl", ".pickle", ".pyd", ".pth", ".pt", ".joblib", ".dill"}
"""Endings of members that webdataset and others unpickle, which runs whatever code they hold."""


def read_manifest(store: Store, location: object) -> Manifest:
    """Return the folder's manifest. Raise UserError where there is none, or none of this version."""
    try:
        data = store.whole(MANIFEST)
    except OSError as error:
        mend = "copy there what prep build-shards wrote" if "://" in str(location) else f"run {_BUILD} {location} first"
        raise UserError(f"--shards {location}: no {MANIFEST} in it; {mend}") from error
    try:
        return Manifest.model_validate_json(data)
    except ValueError as error:
        found = f"version {_version(data)}, " if _version(data) not in (None, SCHEMA_VERSION) else ""
        raise UserError(
            f"{store.where(MANIFEST)}: {found}not a manifest of this version ({SCHEMA_VERSION}); build the shards again"
        ) from error


def read_index(store: Store, entry: ShardEntry, manifest: Manifest) -> ShardIndex:
    """Return the index of a shard of the manifest.

    Raise UserError unless index and shard are of the manifest's plan, of the size and with as many samples as it says,
    and every sample has all the members of the contract, inside of the shard, and none that would be unpickled.
    """
    path = store.where(entry.name.removesuffix(".tar") + INDEX_SUFFIX)
    try:
        index = ShardIndex.model_validate_json(store.whole(entry.name.removesuffix(".tar") + INDEX_SUFFIX))
        size = store.size(entry.name)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: missing or damaged; build the shards again") from error
    ours = (index.fingerprint, index.name, index.split, index.sha256, index.bytes, len(index.samples), size)
    theirs = (manifest.fingerprint, entry.name, entry.split, entry.sha256, entry.bytes, entry.samples, entry.bytes)
    if ours != theirs:
        raise UserError(f"{store.where(entry.name)}: does not belong to {MANIFEST}; build the shards again")
    for sample in index.samples:
        _check_members(f"{store.where(entry.name)}: {sample.key}", sample.members, index.bytes)
    return index


def _check_members(sample: str, members: dict[str, tuple[int, int]], size: int) -> None:
    for name in members.keys() - set(MEMBERS):
        if PurePath(f"_.{name}").suffix in _EXECUTABLE:
            raise UserError(f"{sample}.{name} is a pickle, which runs code when it is read; leave it out of the shards")
    for name in MEMBERS:
        offset, length = members.get(name, (-1, 0))
        if offset < 0 or length <= 0 or offset + length > size:
            raise UserError(f"{sample}.{name} is missing or outside of the shard; build the shards again")


def _version(data: bytes) -> object:
    try:
        return json.loads(data).get("schema_version")
    except (ValueError, AttributeError):
        return None

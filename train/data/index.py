"""Read manifest and indices, and check that they and the shards belong together."""

from __future__ import annotations

import json
from pathlib import PurePath

from pydantic import ValidationError

from common.errors import UserError
from common.storage import Storage
from common.text import clip, one_line
from schemas import INDEX_SUFFIX, MANIFEST, SCHEMA_VERSION, Manifest, ShardEntry, ShardIndex, layout_of

_BUILD = "prep build-shards --out"
_AGAIN = "copy it again, or run prep build-shards again"

_EXECUTABLE = {".pkl", ".pickle", ".pyd", ".pth", ".pt", ".joblib", ".dill"}
"""Suffixes of members that webdataset and others unpickle, which would execute arbitrary code."""


def read_manifest(storage: Storage, location: object) -> Manifest:
    """Return the manifest. Raise UserError if it is missing or of another version."""
    try:
        data = storage.read(MANIFEST)
    except OSError as error:
        advice = (
            "copy the output of prep build-shards there" if "://" in str(location) else f"run {_BUILD} {location} first"
        )
        raise UserError(f"--shards {location}: no {MANIFEST} in it; {advice}") from error
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        version = f"version {_version(data)}, " if _version(data) not in (None, SCHEMA_VERSION) else ""
        path, ours = storage.where(MANIFEST), f"not a manifest of this version ({SCHEMA_VERSION})"
        raise UserError(f"{path}: {version}{ours}: {_first_fault(error)}; build the shards again") from error


def read_index(storage: Storage, entry: ShardEntry, manifest: Manifest) -> ShardIndex:
    """Return the index of a shard of the manifest.

    Raise UserError unless index and shard match the manifest (plan, size, number of samples), and every sample has all
    members of the contract within the shard and none that readers would unpickle.
    """
    name = entry.name.removesuffix(".tar") + INDEX_SUFFIX
    try:
        index = ShardIndex.model_validate_json(storage.read(name))
        size = _size(storage, entry.name)
    except OSError as error:
        raise UserError(f"{storage.where(name)}: {_why(error)}; {_AGAIN}") from error
    except ValidationError as error:
        raise UserError(f"{storage.where(name)}: not an index: {_first_fault(error)}; {_AGAIN}") from error
    if size != entry.bytes == index.bytes:
        raise UserError(f"{storage.where(entry.name)}: {size} bytes instead of {entry.bytes}; {_AGAIN}")
    ours = (index.fingerprint, index.name, index.split, index.sha256, index.bytes, len(index.samples), size)
    theirs = (manifest.fingerprint, entry.name, entry.split, entry.sha256, entry.bytes, entry.samples, entry.bytes)
    if ours != theirs:
        raise UserError(f"{storage.where(entry.name)}: does not belong to {MANIFEST}; {_AGAIN}")
    names = layout_of(manifest.configuration).names
    for sample in index.samples:
        _check_members(f"{storage.where(entry.name)}: {sample.key}", sample.members, names, index.bytes)
    return index


def _size(storage: Storage, name: str) -> int:
    """Return a shard's size in bytes. Raise UserError if it cannot be told."""
    try:
        return storage.size(name)
    except OSError as error:
        raise UserError(f"{storage.where(name)}: {_why(error)}; {_AGAIN}") from error


def _why(error: OSError) -> str:
    return "missing" if isinstance(error, FileNotFoundError) else one_line(error)


def _check_members(sample: str, members: dict[str, tuple[int, int]], names: tuple[str, ...], size: int) -> None:
    for name in members.keys() - set(names):
        if PurePath(f"_.{name}").suffix in _EXECUTABLE:
            raise UserError(
                f"{sample}.{name} is a pickle, which executes code when it is read; remove it from the shards"
            )
    for name in names:
        offset, length = members.get(name, (-1, 0))
        if offset < 0 or length <= 0 or offset + length > size:
            raise UserError(f"{sample}.{name} is missing or outside of the shard; build the shards again")


def _first_fault(error: ValidationError) -> str:
    """Return the first field that does not fit the schema, and why."""
    fault = error.errors(include_url=False, include_context=False, include_input=True)[0]
    field = ".".join(map(str, fault["loc"]))
    value = f" ({clip(repr(fault['input']), 80)})" if isinstance(fault["input"], str) and field else ""
    return one_line(f"{field}{value}: {fault['msg']}" if field else fault["msg"])


def _version(data: bytes) -> object:
    try:
        return json.loads(data).get("schema_version")
    except (ValueError, AttributeError):
        return None

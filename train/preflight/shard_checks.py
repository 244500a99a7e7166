"""Checks of the shards: complete by their indices, readable where tried, their checksums as far as time allows."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from common.errors import UserError
from common.text import counted
from schemas import AGNOSTIC, GARMENT, JG, JP, PERSON, PERSON_256, ShardEntry, Split
from train.configuration.stage_config import StageConfig
from train.data import ShardFolder
from train.data.blend import Source, open_blend
from train.data.opening import check_target_size
from train.inference.pair_selection import swapped_pairs
from train.preflight.findings import Finding, fail, from_error, gib, ok, warn

_SAMPLES = 24
"""Samples of a split that are decoded."""
_EPOCHS = 1000
"""More epochs than these suggest that the data is too little for the steps."""


@dataclass(frozen=True)
class OpenedShards:
    """The splits that could be opened."""

    train: ShardFolder | None
    val: ShardFolder | None


def opened(sources: Sequence[Source], configs: Sequence[StageConfig], found: list[Finding]) -> OpenedShards:
    """Open both splits; append to ``found`` what prevents it."""

    def split(name: Split) -> ShardFolder | None:
        try:
            return open_blend(sources, name, configs[0].data)
        except UserError as error:
            found.append(from_error("shards", error))
            return None

    train = split("train")
    validates = any(config.validation.every or config.validation.sheet_every for config in configs)
    val = split("val") if train is not None and validates else None
    if train is not None and validates and val is None:
        found[-1] = replace(found[-1], fix="build more shards, or --set validation.every=0")
    return OpenedShards(train, val)


def shard_findings(shards: ShardFolder, configs: Sequence[StageConfig]) -> Iterator[Finding]:
    """Yield how many samples there are, and whether those tried can be read at the stages' sizes."""
    size = sum(entry.bytes for entry in _entries(shards))
    samples, files = counted(len(shards), "sample"), counted(len(_entries(shards)), "shard")
    says = f"{shards.folder}: {samples} of {shards.split} in {files}, {gib(size)}"
    yield ok("shards", says)
    yield _decoded(shards)
    if shards.split == "val":
        if any(config.validation.sheet_every and config.low_res is None for config in configs):
            yield from _swappable(shards)
        return
    for config in configs:
        try:
            check_target_size(shards, config.stage, config.size)
        except UserError as error:
            yield from_error("shards", error)
        epochs = config.steps * config.data.batch / len(shards)
        if epochs > _EPOCHS:
            yield warn(
                "shards", f"{config.stage} sees each sample {epochs:,.0f} times",
                "build more shards, or give fewer --steps",
            )  # fmt: skip


def checksum_finding(shards: ShardFolder, seconds: float) -> Finding:
    """Compare the checksums of as many shards as ``seconds`` allow, the first one first and then evenly spread."""
    entries, location = _entries(shards), shards.folder
    if "://" in str(location):
        return ok("checksums", "not compared at a URL: prep verify reads all of it")
    started, done = time.monotonic(), 0
    for entry in _spread(entries):
        try:
            with (Path(location) / entry.name).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            return fail("checksums", f"{entry.name}: {error.strerror}", "copy or build the shards again")
        if digest != entry.sha256:
            return fail(
                "checksums", f"{Path(location) / entry.name} is not the file that prep wrote",
                "copy it again, or run prep verify and build again what it names",
            )  # fmt: skip
        done += 1
        if time.monotonic() - started > seconds:
            break
    rest = "" if done == len(entries) else "; prep verify compares all"
    return ok("checksums", f"{done} of {counted(len(entries), 'shard')} of {shards.split} as written by prep{rest}")


def _decoded(shards: ShardFolder) -> Finding:
    count = min(_SAMPLES, len(shards))
    started = time.monotonic()
    try:
        for number in range(count):
            position = number * len(shards) // count
            shards.sample(position)
            for member in (PERSON, PERSON_256, AGNOSTIC, GARMENT):
                shards.image(position, member)
            for member in (JP, JG):
                shards.pose(position, member)
    except UserError as error:
        return from_error("samples", UserError(f"{error}, or trainer fit --skip-damaged"))
    each = (time.monotonic() - started) / count
    return ok("samples", f"{count} of {shards.split} read and decoded whole, {1000 * each:.0f} ms each on one thread")


def _swappable(shards: ShardFolder) -> Iterator[Finding]:
    try:
        swapped_pairs(shards, 1)
    except UserError:
        yield warn(
            "sheets", f"no two samples of {shards.split} can be swapped, so people are shown in their own garments",
            "build shards of more looks",
        )  # fmt: skip


def _entries(shards: ShardFolder) -> list[ShardEntry]:
    return [entry for entry in shards.manifest.shards if entry.split == shards.split]


def _spread(entries: Sequence[ShardEntry]) -> Iterator[ShardEntry]:
    """Yield all entries, each as far as possible from those before: by the bits of their numbers in reverse."""
    bits = max(1, (len(entries) - 1).bit_length())
    for number in range(1 << bits):
        place = int(f"{number:0{bits}b}"[::-1], 2)
        if place < len(entries):
            yield entries[place]

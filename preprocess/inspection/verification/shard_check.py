"""Check of one shard: its bytes against the index and the plan, its structure, and every member of every sample."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from common.storage import Storage
from common.text import one_line
from preprocess.inspection.verification.groups import Group, check_groups, group, split_name
from preprocess.inspection.verification.members import check_members
from preprocess.inspection.verification.near_duplicates import Fingerprints, ImageFingerprint
from preprocess.inspection.verification.problem import Problem
from preprocess.inspection.verification.tar import Damage, Member, walk
from preprocess.sharding.folder import Done, index_name, summary_of
from schemas import MemberLayout, PlannedShard, Sample, ShardIndex, Split

_CHUNK = 1 << 20


@dataclass(frozen=True)
class LeakageFacts:
    """Input of the leakage check: keys, looks, items and image fingerprints of a shard's samples, in one order."""

    split: Split
    keys: tuple[str, ...]
    looks: tuple[str, ...]
    items: tuple[str, ...]
    persons: Fingerprints
    garments: Fingerprints

    @classmethod
    def of(cls, split: Split, described: Sequence[tuple[Sample, ImageFingerprint, ImageFingerprint]]) -> LeakageFacts:
        """Collect samples with the fingerprints of their person's and garment's images; not those for inference."""
        described = [one for one in described if one[0].worn]
        return cls(
            split,
            tuple(sample.key for sample, _, _ in described),
            tuple(sample.look for sample, _, _ in described),
            tuple(sample.item for sample, _, _ in described),
            Fingerprints.of([person for _, person, _ in described]),
            Fingerprints.of([garment for _, _, garment in described]),
        )


@dataclass(frozen=True)
class ShardReport:
    """Result of checking one shard; ``done`` is None if the index cannot be read."""

    problems: tuple[Problem, ...]
    samples: int
    keys: tuple[str, ...]
    facts: LeakageFacts
    done: Done | None


def verify_shard(folder: Storage, shard: PlannedShard, fingerprint: str, layout: MemberLayout) -> ShardReport:
    """Check one shard's tar and index completely. Keeps one sample in memory at a time."""
    problems: list[Problem] = []
    index = _index(folder, shard, problems)
    groups: list[Group] = []
    described: list[tuple[Sample, ImageFingerprint, ImageFingerprint]] = []
    repaired: Counter[str] = Counter()
    try:
        with folder.open(shard.name) as file:
            groups = _structure(file, shard.name, index, problems, layout)
            for found in groups:
                if one := _sample(file, shard, found, problems, layout):
                    described.append(one)
                    repaired.update(one[0].repaired)
    except OSError as error:
        problems.append(Problem(shard.name, "", "", f"cannot be read: {error.strerror}"))
    if index is not None:
        problems.extend(_against_plan(index, shard, fingerprint))
        problems.extend(_against_tar(index, groups, layout))
        if len(described) == len(index.samples) and dict(sorted(repaired.items())) != index.repaired:
            problems.append(Problem(shard.name, "", "", "the index counts other repaired faults than its samples name"))
    rejected = tuple(reject.key for reject in index.rejects) if index else ()
    keys = (*(found.key for found in groups), *rejected)
    done = summary_of(index) if index else None
    return ShardReport(tuple(problems), len(groups), keys, LeakageFacts.of(shard.split, described), done)


def _index(folder: Storage, shard: PlannedShard, problems: list[Problem]) -> ShardIndex | None:
    name = index_name(shard.name)
    try:
        return ShardIndex.model_validate_json(folder.read(name))
    except OSError:
        problems.append(Problem(shard.name, "", "", f"{name} is missing: the shard was not finished"))
    except ValueError as error:
        problems.append(Problem(shard.name, "", "", f"{name} does not fit the schema: {one_line(error)}"))
    return None


def _structure(
    file: BinaryIO, name: str, index: ShardIndex | None, problems: list[Problem], layout: MemberLayout
) -> list[Group]:
    """Check size, checksum and the tar's structure; return its members, grouped into samples."""
    digest, size = hashlib.sha256(), 0
    while data := file.read(_CHUNK):
        digest.update(data)
        size += len(data)
    if index is not None and index.bytes != size:
        problems.append(Problem(name, "", "", f"{size} bytes, the index says {index.bytes}"))
    elif index is not None and index.sha256 != digest.hexdigest():
        problems.append(Problem(name, "", "", "sha256 is not the index's: bytes have changed"))
    members: list[Member] = []
    for found in walk(file, size):
        if isinstance(found, Damage):
            problems.append(Problem(name, *split_name(found.name, layout.names), found.problem))
        else:
            members.append(found)
    groups = group(members, layout.names)
    problems.extend(check_groups(name, groups, layout.names))
    return groups


def _sample(
    file: BinaryIO, shard: PlannedShard, found: Group, problems: list[Problem], layout: MemberLayout
) -> tuple[Sample, ImageFingerprint, ImageFingerprint] | None:
    data: dict[str, bytes] = {}
    for ending in layout.names:
        if member := found.members.get(ending):
            file.seek(member.offset)
            data[ending] = file.read(member.size)
    faults, sample, looks = check_members(found.key, shard.split, data, layout)
    problems.extend(Problem(shard.name, found.key, ending, problem) for ending, problem in faults)
    return (sample, *looks) if sample and looks else None


def _against_plan(index: ShardIndex, shard: PlannedShard, fingerprint: str) -> Iterator[Problem]:
    if (index.name, index.split, index.digest) != (shard.name, shard.split, shard.digest):
        yield Problem(shard.name, "", "", "the index belongs to another shard than the planned one")
    if index.fingerprint != fingerprint:
        yield Problem(shard.name, "", "", f"the index belongs to another plan ({index.fingerprint[:12]})")
    if (records := len(index.samples) + len(index.rejects)) != shard.records:
        text = f"{shard.records} records were planned, but samples + rejects = {records}: records are lost"
        yield Problem(shard.name, "", "", text if records < shard.records else text.replace("lost", "too many"))


def _against_tar(index: ShardIndex, groups: list[Group], layout: MemberLayout) -> Iterator[Problem]:
    there = {found.key: found for found in groups}
    for sample in index.samples:
        if sample.key not in there:
            yield Problem(index.name, sample.key, "", "in the index, but not in the tar")
            continue
        for ending in dict.fromkeys((*layout.names, *sample.members)):
            member, place = there[sample.key].members.get(ending), sample.members.get(ending)
            if member and place != (member.offset, member.size):
                text = f"lies at {member.offset}, {member.size} bytes; the index says {place}"
                yield Problem(index.name, sample.key, ending, text)
            elif place and not member:
                yield Problem(index.name, sample.key, ending, "in the index, but not in the tar")
    indexed = [sample.key for sample in index.samples]
    for key in there.keys() - set(indexed):
        yield Problem(index.name, key, "", "in the tar, but not in the index")
    if there.keys() == set(indexed) and list(there) != indexed:
        yield Problem(index.name, "", "", "the index lists the samples in another order than the tar")

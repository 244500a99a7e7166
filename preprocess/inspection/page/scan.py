"""One pass over a shard: collects the data for counts, histograms and leakage checks."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from common.storage import Storage
from preprocess.inspection.page.entry import Damage, Entry, ShardScan
from preprocess.inspection.verification.members import Decoded, decode_members
from preprocess.inspection.verification.near_duplicates import ImageFingerprint
from preprocess.inspection.verification.shard_check import LeakageFacts
from preprocess.sharding.folder import read_index
from schemas import (
    AGNOSTIC,
    GARMENT,
    JG,
    JP,
    META,
    MID_GREY,
    PERSON_256,
    MemberLayout,
    PlannedShard,
    Sample,
    ShardIndex,
    ShardSample,
    SourceImage,
    stored_name,
)

_SMALL = (PERSON_256, AGNOSTIC, GARMENT, JP, JG, META)
"""All members but the large Ip, which takes nine tenths of the bytes and adds no information."""


def scan_shard(folder: Storage, shard: PlannedShard, layout: MemberLayout) -> ShardScan:
    """Return the content of one shard; samples that cannot be fully read are listed as damages, not counted.

    Keeps one sample's images in memory at a time.
    """
    index = read_index(folder, shard)
    if index is None:
        return _unfinished(shard)
    entries: list[Entry] = []
    described: list[tuple[Sample, ImageFingerprint, ImageFingerprint]] = []
    damages: list[Damage] = []
    with folder.open(shard.name) as file:
        for one in index.samples:
            decoded = read_members(file, index, one, layout)
            damages += [Damage(shard.name, one.key, f"{ending}: {what}") for ending, what in decoded.problems]
            if not decoded.problems and decoded.sample and decoded.looks:
                entries.append(_entry(index, decoded.sample, decoded))
                described.append((decoded.sample, *decoded.looks))
    return ShardScan(
        shard.name, shard.split, tuple(entries), LeakageFacts.of(shard.split, described), index.rejects, tuple(damages)
    )


def read_members(file: BinaryIO, index: ShardIndex, sample: ShardSample, layout: MemberLayout) -> Decoded:
    """Decode the small members; missing or damaged ones are listed among the problems."""
    members: dict[str, bytes] = {}
    problems: list[tuple[str, str]] = []
    for ending in (stored_name(member, layout.image_format) for member in _SMALL):
        offset, size = sample.members.get(ending, (0, 0))
        if size <= 0 or offset < 0 or offset + size > index.bytes:
            problems.append((ending, "not where the index says"))
            continue
        file.seek(offset)
        members[ending] = file.read(size)
    decoded = decode_members(sample.key, index.split, members, layout)
    decoded.problems.extend(problems)
    return decoded


def _unfinished(shard: PlannedShard) -> ShardScan:
    damage = Damage(shard.name, "", "not finished, or its index does not match the tar")
    return ShardScan(shard.name, shard.split, (), LeakageFacts.of(shard.split, []), (), (damage,))


def _entry(index: ShardIndex, sample: Sample, decoded: Decoded) -> Entry:
    grey = {ending: (decoded.pictures[ending] == MID_GREY).all(axis=2).mean() for ending in (AGNOSTIC, GARMENT)}
    annotations = (sample.person_pose, sample.person_parse, sample.product_pose, sample.product_parse)
    return Entry(
        key=sample.key,
        shard=index.name,
        split=index.split,
        garment=sample.garment,
        view=sample.view,
        pairing=sample.pairing,
        person_path=sample.person.path,
        product_path=sample.product.path,
        person_crop=sample.person.crop.side,
        product_crop=sample.product.crop.side,
        person_size=round(_extent(decoded.poses[JP]) * sample.person.crop.side),
        beyond=_beyond(sample.person),
        hidden=float(grey[AGNOSTIC]),
        shown=1.0 - float(grey[GARMENT]),
        jp=_bits(decoded.poses[JP]),
        jg=_bits(decoded.poses[JG]),
        estimated=any(annotation.origin == "estimated" for annotation in annotations),
        repaired=sample.repaired,
    )


def _extent(pose: NDArray[np.float32]) -> float:
    """Return the longer side of the box around the known points, in shares of the crop; 0 without any."""
    known = pose[pose[:, 2] > 0, :2]
    return float((known.max(axis=0) - known.min(axis=0)).max()) if len(known) else 0.0


def _bits(pose: NDArray[np.float32]) -> int:
    return sum(1 << slot for slot, known in enumerate(pose[:, 2]) if known)


def _beyond(picture: SourceImage) -> float:
    crop = picture.crop
    width = min(picture.width, crop.x + crop.side) - max(0, crop.x)
    height = min(picture.height, crop.y + crop.side) - max(0, crop.y)
    return 1.0 - max(0, width) * max(0, height) / crop.side**2

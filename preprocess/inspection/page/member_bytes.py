"""The bytes of a sample's small members, read by the places that the shard's index gives."""

from __future__ import annotations

from typing import BinaryIO

from preprocess.inspection.verification.members import Decoded, decode_members
from schemas import AGNOSTIC, GARMENT, JG, JP, META, PERSON_256, ShardIndex, ShardSample

SMALL = (PERSON_256, AGNOSTIC, GARMENT, JP, JG, META)
"""All but the large Ip, which takes nine tenths of the bytes and shows nothing more."""


def read_members(file: BinaryIO, index: ShardIndex, sample: ShardSample) -> Decoded:
    """Decode the small members; what is missing or damaged is among the problems."""
    members: dict[str, bytes] = {}
    problems: list[tuple[str, str]] = []
    for ending in SMALL:
        offset, size = sample.members.get(ending, (0, 0))
        if size <= 0 or offset < 0 or offset + size > index.bytes:
            problems.append((ending, "not where the index says"))
            continue
        file.seek(offset)
        members[ending] = file.read(size)
    decoded = decode_members(sample.key, index.split, members)
    decoded.problems.extend(problems)
    return decoded

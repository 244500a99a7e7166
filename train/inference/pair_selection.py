"""Pairs of person and garment: by key, from a file, or all combinations."""

from __future__ import annotations

import csv
import difflib
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from common.errors import UserError
from train.data import ShardFolder
from train.inference.sampling import Pair

ALL_BOUND = 64
"""Default maximum number of pairs when all combinations are sampled."""

_HEADER = ["person", "garment"]


def keyed_pairs(shards: ShardFolder, people: Sequence[str], garments: Sequence[str]) -> list[Pair]:
    """Pair the n-th person with the n-th garment, each the key of a sample.

    Raise UserError for a key that is not in the split, or if the numbers of people and garments differ.
    """
    if len(people) != len(garments):
        raise UserError(
            f"--person is given {len(people)} times, --garment {len(garments)} times; give both for every image"
        )
    positions = _positions(shards)
    return [
        Pair(
            _find(positions, person, f"--person {person}", shards),
            _find(positions, garment, f"--garment {garment}", shards),
        )
        for person, garment in zip(people, garments, strict=True)
    ]


def pairs_from_file(shards: ShardFolder, path: Path) -> list[Pair]:
    """Read a person's key and a garment's key from each line, separated by a comma or a tab.

    A header `person,garment` and empty lines are skipped. Raise UserError, with the line number, for any other line
    that is not two keys of the split.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--pairs-file {path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from error
    positions = _positions(shards)
    pairs: list[Pair] = []
    for number, line in enumerate(lines, 1):
        fields = [field.strip() for field in next(csv.reader([line], delimiter="\t" if "\t" in line else ","), [])]
        if not any(fields) or (number == 1 and [field.lower() for field in fields] == _HEADER):
            continue
        where = f"{path}, line {number}"
        if len(fields) != 2:
            raise UserError(f"{where}: {len(fields)} fields; give a person's key and a garment's, as in person,garment")
        person, garment = (_find(positions, field, f"{where}: {field}", shards) for field in fields)
        pairs.append(Pair(person, garment))
    if not pairs:
        raise UserError(f"--pairs-file {path}: no pair in it; give a person's key and a garment's on each line")
    return pairs


def all_pairs(shards: ShardFolder, count: int | None) -> tuple[list[Pair], int]:
    """Pair every person with every garment of the same kind, including their own; keep ``count``, spread evenly.

    None means ``ALL_BOUND``. Returns the pairs, and the total number of combinations.
    """
    kinds = [shards.sample(position).garment for position in range(len(shards))]
    same = {kind: [position for position, other in enumerate(kinds) if other == kind] for kind in set(kinds)}
    # Pairs are indexed person by person and not listed: a split of 10,000 has 100 million of them.
    ends = list(accumulate(len(same[kind]) for kind in kinds))
    kept = min(count or ALL_BOUND, ends[-1])
    pairs = []
    for number in (index * ends[-1] // kept for index in range(kept)):
        person = bisect_right(ends, number)
        pairs.append(Pair(person, same[kinds[person]][number - ends[person]]))
    return pairs, ends[-1]


def _positions(shards: ShardFolder) -> dict[str, int]:
    return {key: position for position, key in enumerate(shards.keys)}


def _find(positions: dict[str, int], key: str, where: str, shards: ShardFolder) -> int:
    if key in positions:
        return positions[key]
    near = difflib.get_close_matches(key, positions, n=3, cutoff=0.3) or list(positions)[:3]
    raise UserError(f"{where}: no such key in this split of {shards.folder}; similar keys: {', '.join(near)}")

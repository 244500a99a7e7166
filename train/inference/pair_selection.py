"""Pairs of person and garment: swapped, as photographed, by key, from a file, or all combinations."""

from __future__ import annotations

import csv
import difflib
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from common.csv_files import csv_errors
from common.errors import UserError
from schemas import Sample
from train.data import ShardFolder

ALL_BOUND = 64
"""Default maximum number of pairs when all combinations are sampled."""

_HEADER = ["person", "garment"]


@dataclass(frozen=True)
class Pair:
    """Positions in the shards: the person of one sample, the garment of another."""

    person: int
    garment: int


def swapped_pairs(shards: ShardFolder, count: int, *, worn: bool = False) -> list[Pair]:
    """Pair people, spread over the split, each with another person's garment of the same kind.

    People without such a garment are skipped. With ``worn``, people of inference-only samples are skipped too. Raise
    UserError if no two samples can be swapped.
    """
    fronts = _fronts(shards)
    people = [person for person in _people(shards, fronts, worn) if any(_others(fronts, person))]
    if not people:
        raise UserError(
            f"--shards {shards.folder}: no two samples of the split {shards.split} show different people in different "
            "garments of one kind; build shards of more looks, or choose another split"
        )
    pairs: list[Pair] = []
    for person in _spread(people, count):
        others = [position for position, fits in zip(fronts, _others(fronts, person), strict=True) if fits]
        pairs.append(Pair(person, others[(7 * len(pairs) + len(others) // 2) % len(others)]))
    return pairs


def own_pairs(shards: ShardFolder, count: int) -> list[Pair]:
    """Pair people, spread over the split, each with the garment that they wear.

    Raise UserError if all samples are inference-only.
    """
    return [Pair(person, person) for person in _spread(_people(shards, _fronts(shards), worn=True), count)]


def swapped_or_own_pairs(shards: ShardFolder, count: int) -> list[Pair]:
    """Return ``swapped_pairs``, or, where no two samples can be swapped, ``own_pairs``."""
    try:
        return swapped_pairs(shards, count)
    except UserError:
        return own_pairs(shards, count)


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
        with csv_errors(f"--pairs-file {path}, line {number}"):
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


def _fronts(shards: ShardFolder) -> dict[int, Sample]:
    samples = {position: shards.sample(position) for position in range(len(shards))}
    return {position: sample for position, sample in samples.items() if sample.view == "front"} or samples


def _people(shards: ShardFolder, fronts: Mapping[int, Sample], worn: bool) -> list[int]:
    people = [position for position, sample in fronts.items() if sample.worn or not worn]
    if not people:
        shards.worn_from(0)  # says that the split is for inference alone
    return people


def _others(fronts: Mapping[int, Sample], person: int) -> Iterator[bool]:
    """Yield for each sample whether a person can wear its garment: same kind, another item, another look."""
    mine = fronts[person]
    for sample in fronts.values():
        yield sample.garment == mine.garment and sample.item != mine.item and sample.look != mine.look


def _spread(people: Sequence[int], count: int) -> Sequence[int]:
    return people[:: max(1, len(people) // count)][:count]

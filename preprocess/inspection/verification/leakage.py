"""Leakage between splits: looks, items and images that are in two splits, and repeated keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from preprocess.inspection.verification.near_duplicates import Fingerprints, near_duplicates
from preprocess.inspection.verification.problem import Problem
from preprocess.inspection.verification.shard_check import LeakageFacts

_SIDE = re.compile(r"_[FB]$")
"""Front and back of one garment are one item."""


def repeated_keys(keys: Sequence[tuple[str, Sequence[str]]]) -> Iterator[Problem]:
    """Yield each key that occurs in two shards; ``keys`` are (name of the shard, keys of samples and rejects)."""
    first: dict[str, str] = {}
    for shard, of_shard in keys:
        for key in dict.fromkeys(of_shard):
            if first.setdefault(key, shard) != shard:
                yield Problem(shard, key, "", f"the key is in {first[key]} too")


def id_leaks(shards: Sequence[tuple[str, LeakageFacts]]) -> Iterator[tuple[Problem, bool]]:
    """Yield each look and item whose id is in two splits, and whether that alone proves a leak.

    It does for looks. Some copies of the dataset number the items of each part from the start, so only the
    images can show whether one id is one garment (`image_leaks`). ``shards`` are (name, facts).
    """
    names = [name for name, facts in shards for _ in facts.keys]
    keys = [key for _, facts in shards for key in facts.keys]
    splits = [facts.split for _, facts in shards for _ in facts.keys]
    looks = [look for _, facts in shards for look in facts.looks]
    items = [_SIDE.sub("", item) for _, facts in shards for item in facts.items]
    for what, ids in (("look", looks), ("item", items)):
        first: dict[str, int] = {}
        for position, one in enumerate(ids):
            earlier = first.setdefault(one, position)
            if splits[earlier] != splits[position]:
                text = f"{what} {one} is in two splits: {keys[earlier]} is {splits[earlier]}"
                yield Problem(names[position], keys[position], "", text), what == "look"


def image_leaks(shards: Sequence[tuple[str, LeakageFacts]]) -> Iterator[tuple[Problem, bool]]:
    """Yield images that are in two splits, and whether they are identical (True) or near-duplicates (False).

    Each image of the smaller split is compared with all of the larger.
    """
    for pair in combinations(sorted({facts.split for _, facts in shards}), 2):
        parts = ([(name, facts) for name, facts in shards if facts.split == split] for split in pair)
        small, large = sorted(parts, key=lambda part: sum(len(facts.keys) for _, facts in part))
        yield from _compare(small, large)


def _compare(
    small: Sequence[tuple[str, LeakageFacts]], large: Sequence[tuple[str, LeakageFacts]]
) -> Iterator[tuple[Problem, bool]]:  # fmt: skip
    places = [(name, key) for name, facts in small for key in facts.keys]
    theirs = [key for _, facts in large for key in facts.keys]
    for what, pick in (("person", _persons), ("garment", _garments)):
        ours, others = (Fingerprints.joined([pick(facts) for _, facts in part]) for part in (small, large))
        for here, there, exact in near_duplicates(ours, others):
            same = "pixel by pixel that of" if exact else "nearly that of"
            text = f"the {what}'s image is {same} {theirs[there]} of {large[0][1].split}"
            yield Problem(*places[here], "", text), exact


def _persons(facts: LeakageFacts) -> Fingerprints:
    return facts.persons


def _garments(facts: LeakageFacts) -> Fingerprints:
    return facts.garments

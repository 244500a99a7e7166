"""Selection of the samples that the page shows: a bounded number, doubtful ones first, then a balanced random draw."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Final, TypeVar

from preprocess.inspection.page.entry import Entry

MOST_SAMPLES: Final = 240
"""Samples on the page, whatever the folder holds."""

T = TypeVar("T")


@dataclass(frozen=True)
class ChosenSamples:
    """The samples to show, in order, and the numbers of doubtful and other samples, shown and in total."""

    entries: tuple[Entry, ...]
    doubtful: int
    doubtful_in_all: int
    others_in_all: int

    @property
    def others(self) -> int:
        """How many samples without any doubt are shown."""
        return len(self.entries) - self.doubtful


def choose(entries: Sequence[Entry], doubts: Mapping[str, Sequence[str]], most: int = MOST_SAMPLES) -> ChosenSamples:
    """Choose at most ``most`` samples; ``doubts`` are by key.

    Up to half are doubtful, more if there are too few others: round-robin over the kinds of doubt, samples with most
    doubts first. The others are drawn at random, round-robin over the combinations of split, category and view. The
    choice is deterministic.
    """
    doubtful = [entry for entry in entries if doubts.get(entry.key)]
    others = [entry for entry in entries if not doubts.get(entry.key)]
    room = max(most // 2, most - len(others))
    chosen = list(islice(_kinds_in_turn(doubtful, doubts), room))
    chosen.sort(key=lambda entry: (-len(doubts[entry.key]), doubts[entry.key], entry.key))
    drawn = islice(
        round_robin((_kind(entry), entry) for entry in sorted(others, key=_random_order)), most - len(chosen)
    )
    rest = sorted(drawn, key=lambda entry: (_kind(entry), entry.key))
    return ChosenSamples((*chosen, *rest), len(chosen), len(doubtful), len(others))


def round_robin(pairs: Iterable[tuple[Hashable, T]]) -> Iterable[T]:
    """Yield the values of (group, value): the first of every group, the second of every group, and so on."""
    groups: defaultdict[Hashable, list[T]] = defaultdict(list)
    for group, value in pairs:
        groups[group].append(value)
    missing = object()
    for row in zip_longest(*groups.values(), fillvalue=missing):
        yield from (value for value in row if value is not missing)  # type: ignore[misc]


def _kinds_in_turn(entries: Iterable[Entry], doubts: Mapping[str, Sequence[str]]) -> Iterable[Entry]:
    worst = sorted(entries, key=lambda entry: (-len(doubts[entry.key]), _random_order(entry)))
    return dict.fromkeys(round_robin((name, entry) for entry in worst for name in doubts[entry.key]))


def _kind(entry: Entry) -> tuple[str, str, str]:
    return entry.split, entry.garment, entry.view


def _random_order(entry: Entry) -> bytes:
    """Return a sort key for a random order that depends on this sample alone."""
    return hashlib.sha256(entry.key.encode()).digest()

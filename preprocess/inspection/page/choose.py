"""Which samples are shown: a bounded number of them, the doubtful ones first, each kind of sample among the rest."""

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
class Choice:
    """The samples to show, in order, and how many of how many doubtful and other ones they are."""

    entries: tuple[Entry, ...]
    doubtful: int
    doubtful_in_all: int
    others_in_all: int

    @property
    def others(self) -> int:
        """How many samples without any doubt are shown."""
        return len(self.entries) - self.doubtful


def choose(entries: Sequence[Entry], doubts: Mapping[str, Sequence[str]], most: int = MOST_SAMPLES) -> Choice:
    """Choose at most ``most`` samples; ``doubts`` are by key.

    Up to half are doubtful (more where there are not as many others): each kind of doubt in turn, of each the samples
    with most doubts first. The others are drawn at random, the combinations of split, category and view in turn. The
    same samples give the same choice.
    """
    doubtful = [entry for entry in entries if doubts.get(entry.key)]
    others = [entry for entry in entries if not doubts.get(entry.key)]
    room = max(most // 2, most - len(others))
    chosen = list(islice(_kinds_in_turn(doubtful, doubts), room))
    chosen.sort(key=lambda entry: (-len(doubts[entry.key]), doubts[entry.key], entry.key))
    drawn = islice(in_turn((_kind(entry), entry) for entry in sorted(others, key=_drawn)), most - len(chosen))
    rest = sorted(drawn, key=lambda entry: (_kind(entry), entry.key))
    return Choice((*chosen, *rest), len(chosen), len(doubtful), len(others))


def in_turn(pairs: Iterable[tuple[Hashable, T]]) -> Iterable[T]:
    """Yield the values of (group, value): the first of every group, the second of every group, and so on."""
    groups: defaultdict[Hashable, list[T]] = defaultdict(list)
    for group, value in pairs:
        groups[group].append(value)
    missing = object()
    for row in zip_longest(*groups.values(), fillvalue=missing):
        yield from (value for value in row if value is not missing)  # type: ignore[misc]


def _kinds_in_turn(entries: Iterable[Entry], doubts: Mapping[str, Sequence[str]]) -> Iterable[Entry]:
    worst = sorted(entries, key=lambda entry: (-len(doubts[entry.key]), _drawn(entry)))
    return dict.fromkeys(in_turn((name, entry) for entry in worst for name in doubts[entry.key]))


def _kind(entry: Entry) -> tuple[str, str, str]:
    return entry.split, entry.garment, entry.view


def _drawn(entry: Entry) -> bytes:
    """Return a place in a random order that no other sample plays a part in."""
    return hashlib.sha256(entry.key.encode()).digest()

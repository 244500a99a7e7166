"""Counts and histograms of all samples, as plain numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess.inspection.page.entry import Entry, ShardScan
from schemas import KEYPOINTS, NUM_KEYPOINTS

_BINS = 24
_STEPS = (1, 2, 5)


@dataclass(frozen=True)
class Row:
    """One line of a table of counts: one number for each split, in order."""

    name: str
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """All splits together."""
        return sum(self.counts)


@dataclass(frozen=True)
class Table:
    """Counts by split, most first."""

    title: str
    splits: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram: values in [``low``, ``high``)."""

    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Histogram:
    """Distribution of one measure over all samples."""

    title: str
    unit: str
    bars: tuple[Bar, ...]
    median: float

    @property
    def most(self) -> int:
        """Count of the highest bar."""
        return max(bar.count for bar in self.bars)


@dataclass(frozen=True)
class Known:
    """Shares of the samples, in [0, 1], in which a keypoint is known in Jp and in Jg."""

    keypoint: str
    jp: float
    jg: float


def count_tables(scans: Sequence[ShardScan]) -> list[Table]:
    """Count the samples by category, view and pairing, and by all of these."""
    splits = _splits(scans)

    def table(title: str, name: Callable[[Entry], str]) -> Table:
        return _table(title, splits, ((name(entry), scan.split) for scan in scans for entry in scan.entries))

    return [
        table("Category", lambda entry: entry.garment),
        table("View", lambda entry: entry.view),
        table("Pairing", lambda entry: entry.pairing),
        table("Category, view, pairing", lambda entry: f"{entry.garment}, {entry.view}, {entry.pairing}"),
    ]


def reject_table(scans: Sequence[ShardScan]) -> Table:
    """Count the rejects by their reason."""
    return _table(
        "Reason", _splits(scans), ((reject.reason, scan.split) for scan in scans for reject in scan.rejects)
    )  # fmt: skip


def doubt_table(scans: Sequence[ShardScan], doubts: dict[str, tuple[str, ...]]) -> Table:
    """Count the samples by doubt; a sample with two counts twice."""
    named = ((name, scan.split) for scan in scans for entry in scan.entries for name in doubts.get(entry.key, ()))
    return _table("Doubt", _splits(scans), named)


def histograms(entries: Sequence[Entry]) -> list[Histogram]:
    """Return histograms of sizes, numbers of known keypoints and hidden shares; [] without samples."""
    if not entries:
        return []
    measures: list[tuple[str, str, Callable[[Entry], float]]] = [
        ("Person's crop, side", "px", lambda entry: entry.person_crop),
        ("Person, longer side of the pose's box", "px", lambda entry: entry.person_size),
        ("Garment's crop, side", "px", lambda entry: entry.product_crop),
        ("Hidden share of Ia", "%", lambda entry: 100 * entry.hidden),
        ("Garment's share of Ic", "%", lambda entry: 100 * entry.shown),
    ]
    counted: list[tuple[str, Callable[[Entry], int]]] = [
        ("Known keypoints of Jp", lambda entry: entry.jp.bit_count()),
        ("Known landmarks of Jg", lambda entry: entry.jg.bit_count()),
    ]
    return [
        *(_histogram(title, unit, np.array([value(one) for one in entries], float)) for title, unit, value in measures),
        *(_integers(title, [value(entry) for entry in entries]) for title, value in counted),
    ]


def known_keypoints(entries: Sequence[Entry]) -> list[Known]:
    """Return the share of samples in which each keypoint is known; [] without samples."""
    if not entries:
        return []

    def share(slot: int, bits: Iterable[int]) -> float:
        return sum(one >> slot & 1 for one in bits) / len(entries)

    return [
        Known(name.replace("_", " "), share(slot, (e.jp for e in entries)), share(slot, (e.jg for e in entries)))
        for slot, name in enumerate(KEYPOINTS)
    ]


def _splits(scans: Sequence[ShardScan]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(scan.split for scan in scans))


def _table(title: str, splits: tuple[str, ...], named: Iterable[tuple[str, str]]) -> Table:
    counts = Counter(named)
    names = dict.fromkeys(name for name, _ in counts)
    rows = [Row(name, tuple(counts[name, split] for split in splits)) for name in names]
    return Table(title, splits, tuple(sorted(rows, key=lambda row: (-row.total, row.name))))


def _histogram(title: str, unit: str, values: NDArray[np.float64]) -> Histogram:
    low, high = float(values.min()), float(values.max())
    step = _round_step((high - low) / _BINS)
    first = np.floor(low / step)
    edges = step * np.arange(first, np.floor(high / step) + 2)
    counts, _ = np.histogram(values, edges)
    bars = [Bar(float(edges[n]), float(edges[n + 1]), int(count)) for n, count in enumerate(counts)]
    return Histogram(title, unit, tuple(bars), float(np.median(values)))


def _round_step(width: float) -> float:
    """Return the smallest of 1, 2, 5, 10, 20, … that is at least ``width``."""
    power = 1.0
    while True:
        for step in _STEPS:
            if step * power >= width:
                return step * power
        power *= 10


def _integers(title: str, values: Sequence[int]) -> Histogram:
    counts = Counter(values)
    bars = [Bar(number, number + 1, counts[number]) for number in range(NUM_KEYPOINTS + 1)]
    return Histogram(title, "", tuple(bars), float(np.median(values)))

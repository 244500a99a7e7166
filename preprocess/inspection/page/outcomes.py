"""What became of the records: one bar over all of them, and each reason and doubt with examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from preprocess.faults import Fate
from preprocess.inspection.page.doubts import meaning
from preprocess.inspection.page.entry import ShardScan
from preprocess.inspection.page.figures import Row, doubt_table, reject_table
from preprocess.inspection.page.sheet import Card
from schemas import Reject, Split

MOST_EXAMPLES: Final = 3
"""Examples of each reason and each doubt."""
DOUBTFUL, SOUND = "doubtful", "no doubt"
OUTCOMES: Final = {
    Fate.REJECTED.value: "no sample",
    Fate.REPAIRED.value: "a sample, after a fault was corrected",
    Fate.NOTED.value: "a sample with a fault that nothing corrects",
    DOUBTFUL: "a sample with another doubt",
    SOUND: "a sample",
}
"""The outcomes of a record, gravest first, and their meaning; a record counts once."""


@dataclass(frozen=True)
class Part:
    """One part of the bar: an outcome and its records; ``start`` and ``share`` are shares of all records."""

    name: str
    count: int
    start: float
    share: float


@dataclass(frozen=True)
class Example:
    """One record: its key, a picture (WebP in base64, "" if there is none), and what is said about it."""

    key: str
    picture: str
    detail: str


@dataclass(frozen=True)
class Group:
    """The records of one reason or doubt."""

    outcome: str
    name: str
    meaning: str
    row: Row
    examples: tuple[Example, ...]


def outcome_bar(scans: Sequence[ShardScan], doubts: Mapping[str, Sequence[str]]) -> list[Part]:
    """Return the parts of the bar that have records, gravest first."""
    counts = Counter(_outcome(doubts.get(entry.key, ())) for scan in scans for entry in scan.entries)
    counts[Fate.REJECTED.value] = sum(len(scan.rejects) for scan in scans)
    total, start, parts = max(1, counts.total()), 0, []
    for name in OUTCOMES:
        if counts[name]:
            parts.append(Part(name, counts[name], start / total, counts[name] / total))
        start += counts[name]
    return parts


def groups(
    scans: Sequence[ShardScan],
    doubts: Mapping[str, tuple[str, ...]],
    cards: Sequence[tuple[Card, tuple[str, ...]]],
    rejects: Mapping[str, Sequence[Reject]],
    pictures: Mapping[str, str],
) -> list[Group]:
    """Return the reasons of rejects and the doubts of samples, gravest outcome first, most records first.

    Examples are those of the ``cards`` and ``rejects`` (by reason) that the page shows; ``pictures`` are the rejects'.
    """
    found = []
    for row in reject_table(scans).rows:
        examples = [
            Example(one.key, pictures.get(one.key, ""), f"{one.path}: {one.detail}")
            for one in rejects.get(row.name, ())
        ]
        found.append(Group(Fate.REJECTED.value, row.name, meaning(row.name), row, tuple(examples)))
    for row in doubt_table(scans, dict(doubts)).rows:
        of_doubt = islice((card for card, names in cards if row.name in names), MOST_EXAMPLES)
        examples = [Example(card.entry.key, card.picture, "") for card in of_doubt]
        name = row.name.removeprefix(f"{_outcome([row.name])}: ")
        found.append(Group(_outcome([row.name]), name, meaning(row.name), row, tuple(examples)))
    order = list(OUTCOMES)
    return sorted(found, key=lambda group: order.index(group.outcome))


def reject_examples(rejects: Iterable[tuple[Split, Reject]]) -> dict[str, list[Reject]]:
    """Return the rejects that are shown as examples of each reason."""
    by_reason: dict[str, list[Reject]] = {}
    for _, reject in rejects:
        of_reason = by_reason.setdefault(reject.reason, [])
        if len(of_reason) < MOST_EXAMPLES:
            of_reason.append(reject)
    return by_reason


def _outcome(names: Collection[str]) -> str:
    """Return the outcome of a sample with these doubts."""
    for fate in (Fate.REPAIRED.value, Fate.NOTED.value):
        if any(name.startswith(f"{fate}: ") for name in names):
            return fate
    return DOUBTFUL if names else SOUND

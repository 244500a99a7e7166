"""Rendering of the page: one self-contained HTML file that loads nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from common.page import open_templates as open_shared_templates
from common.page import read_part, report_style, source_hash
from preprocess.inspection.page.choose import MOST_SAMPLES, ChosenSamples
from preprocess.inspection.page.doubts import meaning
from preprocess.inspection.page.entry import Damage
from preprocess.inspection.page.figures import Histogram, Known, Table
from preprocess.inspection.page.leaks import Leaks
from preprocess.inspection.page.outcomes import OUTCOMES, Group, Part
from preprocess.inspection.page.sheet import CELL, Card
from schemas import NearDuplicates, Plan, Reject

if TYPE_CHECKING:
    from jinja2 import Environment

MOST_LINES: Final = 50
"""Lines of a list, or rows of a table, that the page shows."""
MOST_REJECTS: Final = 200
"""Rejects that the page shows, round-robin over the reasons."""
_PACKAGE: Final = "preprocess.inspection.page"


@dataclass(frozen=True)
class Content:
    """Everything that the page shows."""

    name: str
    """The folder's name."""
    plan: Plan
    by_split: Mapping[str, int]
    """Samples of each split."""
    counts: Sequence[Table]
    rejects: Table
    rejects_shown: Sequence[tuple[str, Reject]]
    """(split, reject)."""
    doubts: Table
    outcomes: Sequence[Part]
    groups: Sequence[Group]
    has_source: bool
    """Whether the dataset was given, for the rejects' pictures."""
    histograms: Sequence[Histogram]
    known: Sequence[Known]
    leaks: Leaks
    near_duplicates: NearDuplicates | None
    damages: Sequence[Damage]
    choice: ChosenSamples
    cards: Sequence[tuple[Card, tuple[str, ...]]]
    """(card, its doubts)."""

    @property
    def samples(self) -> int:
        """All samples that could be read."""
        return sum(self.by_split.values())

    @property
    def rejects_in_all(self) -> int:
        """All rejects, shown or not."""
        return sum(row.total for row in self.rejects.rows)


def open_templates() -> Environment:
    """Return the engine for the page's templates. Raise UserError where jinja2 is not installed."""
    engine = open_shared_templates(_PACKAGE)
    engine.globals.update(
        most_lines=MOST_LINES, most_samples=MOST_SAMPLES, cell=CELL, meaning=meaning, outcome_meanings=OUTCOMES
    )
    return engine


def render(engine: Environment, content: Content) -> bytes:
    """Return the page. All data is escaped; a content security policy allows no script but the page's own."""
    style, script = report_style(_PACKAGE), read_part(_PACKAGE, "report.js")
    numbers = _numbers(content)
    page = engine.get_template("report.html").render(
        content=content, numbers=numbers, options=_options(content, numbers),
        style=style, script=script, style_hash=source_hash(style), script_hash=source_hash(script),
    )  # fmt: skip
    return page.encode(errors="backslashreplace")


def _numbers(content: Content) -> dict[str, str]:
    """Return short ids for the reasons and doubts shown: their names come from the data and may hold any character."""
    names = [reject.reason for _, reject in content.rejects_shown]
    names += [name for _, doubts in content.cards for name in doubts]
    return {name: f"n{number}" for number, name in enumerate(sorted(set(names)))}


def _options(content: Content, numbers: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Return the options of each filter as (value, text): those that occur among its items."""

    def same(values: Iterable[str]) -> list[tuple[str, str]]:
        return [(value, value) for value in dict.fromkeys(values)]

    def named(names: Iterable[str]) -> list[tuple[str, str]]:
        return [(numbers[name], name) for name in names if name in numbers]

    entries = [card.entry for card, _ in content.cards]
    doubts = {name for _, names in content.cards for name in names}
    return {
        "splits": same(entry.split for entry in entries),
        "categories": same(entry.garment for entry in entries),
        "views": same(entry.view for entry in entries),
        "doubts": [
            ("any", "any doubt"), ("none", "no doubt"),
            *named(row.name for row in content.doubts.rows if row.name in doubts),
        ],
        "reject_splits": same(split for split, _ in content.rejects_shown),
        "reasons": named(row.name for row in content.rejects.rows),
    }  # fmt: skip

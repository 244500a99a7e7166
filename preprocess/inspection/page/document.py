"""The page itself: one HTML file that holds all it needs, so that nothing is fetched from anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from common.errors import UserError
from preprocess.inspection.page.choose import MOST_SAMPLES, Choice
from preprocess.inspection.page.doubts import meaning
from preprocess.inspection.page.entry import Damage
from preprocess.inspection.page.figures import Histogram, Known, Table
from preprocess.inspection.page.leaks import Leaks
from preprocess.inspection.page.sheet import CELL, Card
from schemas import Plan, Reject, Twins

if TYPE_CHECKING:
    from jinja2 import Environment

MOST_LINES: Final = 50
"""Lines of a list, or rows of a table, that the page shows of all there are."""
MOST_REJECTS: Final = 200
"""Rejects that it shows, of each reason in turn."""
MOST_LETTERS: Final = 200
"""Letters of a name or text from the data that it shows."""
_PARTS: Final = ("report.css", "report.js")


@dataclass(frozen=True)
class Content:
    """All that the page says."""

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
    histograms: Sequence[Histogram]
    known: Sequence[Known]
    leaks: Leaks
    twins: Twins | None
    damages: Sequence[Damage]
    choice: Choice
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
    """Return the template engine. Raise UserError where it is not installed."""
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed; pip install 'tryon-cascade[report]'") from error
    engine = Environment(
        loader=PackageLoader("preprocess.inspection.page"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    engine.filters.update(clip=_clip, number=_number)
    engine.globals.update(most_lines=MOST_LINES, most_samples=MOST_SAMPLES, cell=CELL, meaning=meaning)
    return engine


def render(engine: Environment, content: Content) -> bytes:
    """Return the page. What is in the data reaches it escaped; the browser is told to run no other script than ours."""
    style, script = (files(__package__).joinpath("templates", name).read_text("utf-8") for name in _PARTS)
    numbers = _numbers(content)
    page = engine.get_template("report.html").render(
        content=content, numbers=numbers, options=_options(content, numbers),
        style=style, script=script, style_hash=_hash(style), script_hash=_hash(script),
    )  # fmt: skip
    return page.encode(errors="backslashreplace")


def _numbers(content: Content) -> dict[str, str]:
    """Give the reasons and doubts that are shown short names: their own are the data's, and may hold anything."""
    names = [reject.reason for _, reject in content.rejects_shown]
    names += [name for _, doubts in content.cards for name in doubts]
    return {name: f"n{number}" for number, name in enumerate(sorted(set(names)))}


def _options(content: Content, numbers: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Return what the filters can be set to, (value, text) each: what is among the items that they filter."""

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


def _hash(text: str) -> str:
    """Return what a Content-Security-Policy calls the text by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _clip(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"


def _number(value: float) -> str:
    """Write a number with a thin space between thousands."""
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")

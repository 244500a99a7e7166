"""The page: one self-contained HTML file, plotly's script included, so that nothing is fetched."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from common.extras import needs
from train.reporting.facts import Difference, number
from train.reporting.plots import Plot
from train.reporting.run_series import Run
from train.reporting.sheet_series import Sheets

if TYPE_CHECKING:
    from jinja2 import Environment

MAX_SETTINGS: Final = 200
"""How many settings of a run, or differences of a stage, the page shows."""
MAX_CHARACTERS: Final = 200
"""How many characters of a name or value it shows."""
_PARTS: Final = ("report.css", "report.js")


@dataclass(frozen=True)
class Row:
    """One run on the page: its number, the columns of its row, and its sheets."""

    number: int
    run: Run
    columns: Mapping[str, str]
    sheets: Sheets


@dataclass(frozen=True)
class Section:
    """One stage."""

    stage: str
    rows: Sequence[Row]
    plots: Sequence[Plot]
    differences: Sequence[Difference]


@dataclass(frozen=True)
class Content:
    """Everything on the page."""

    name: str
    """The folder's name."""
    sections: Sequence[Section]
    left_out: Sequence[str]
    """Names of the runs beyond the maximum."""

    @property
    def rows(self) -> list[Row]:
        """The runs of all stages."""
        return [row for section in self.sections for row in section.rows]


def open_templates() -> Environment:
    """Return the template engine. Raise UserError where it is not installed."""
    with needs("report"):
        from jinja2 import Environment, PackageLoader, StrictUndefined
    engine = Environment(
        loader=PackageLoader("train.reporting"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    engine.filters.update(clip=_clip, number=number)
    engine.globals.update(max_settings=MAX_SETTINGS)
    return engine


def render(engine: Environment, content: Content, plotly: str) -> bytes:
    """Return the page; ``plotly`` is plotly's script.

    Names and values reach it escaped; the page's security policy allows only these two scripts.
    """
    style, script = (files(__package__).joinpath("templates", name).read_text("utf-8") for name in _PARTS)
    page = engine.get_template("report.html").render(
        content=content, style=style, script=script, plotly=plotly, hashes=[_hash(plotly), _hash(script)],
        figures={plot.id: plot.figure for section in content.sections for plot in section.plots},
    )  # fmt: skip
    return page.encode(errors="backslashreplace")


def _hash(text: str) -> str:
    """Return the text's source expression for a Content-Security-Policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _clip(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 1]}…"

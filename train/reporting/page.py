"""The page: one self-contained HTML file, plotly's script included, so that it loads nothing from the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from common.page import open_templates as open_shared_templates
from common.page import read_part, report_style, source_hash
from train.reporting.facts import Difference, number
from train.reporting.plots import Plot
from train.reporting.run_series import Run
from train.reporting.sheet_series import Sheets

if TYPE_CHECKING:
    from jinja2 import Environment

MAX_SETTINGS: Final = 200
"""Maximum number of settings of a run, or of differences of a stage, on the page."""
_PACKAGE: Final = "train.reporting"


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
    """Return the template engine. Raise UserError if it is not installed."""
    engine = open_shared_templates(_PACKAGE)
    engine.filters.update(number=number)
    engine.globals.update(max_settings=MAX_SETTINGS)
    return engine


def render(engine: Environment, content: Content, plotly: str) -> bytes:
    """Return the page; ``plotly`` is plotly's script.

    Names and values are escaped; the page's Content-Security-Policy allows only these two scripts.
    """
    style, script = report_style(_PACKAGE), read_part(_PACKAGE, "report.js")
    page = engine.get_template("report.html").render(
        content=content, style=style, script=script, plotly=plotly, hashes=[source_hash(plotly), source_hash(script)],
        figures={plot.id: plot.figure for section in content.sections for plot in section.plots},
    )  # fmt: skip
    return page.encode(errors="backslashreplace")

"""Writing the report: from run folders to the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.page import write_page
from train.reporting.facts import by_stage, differences, summary
from train.reporting.page import Content, Row, Section, open_templates, render
from train.reporting.plots import plotly_script, stage_plots
from train.reporting.run_series import Run, read_runs
from train.reporting.sheet_series import MAX_SHEETS, MAX_SHEETS_TOTAL, read_sheets

MAX_RUNS: Final = 24
"""Maximum number of runs on the page: the most recently updated ones."""


@dataclass(frozen=True)
class ReportSummary:
    """Counts of what the page shows."""

    runs: int
    left_out: int
    unreadable: int
    bytes: int


def write_report(folder: Path, out: Path) -> ReportSummary:
    """Write the page about the runs in a folder; the folder is not changed.

    Raise UserError if there is no run, a package is missing, or the page cannot be written.
    """
    templates, plotly = open_templates(), plotly_script()
    runs = read_runs(folder)
    shown = _latest(runs)
    names = {run.name for run in shown}
    left_out = [run.name for run in runs if run.name not in names]
    page = render(templates, Content(folder.resolve().name, _sections(shown), left_out), plotly)
    write_page(out, page)
    return ReportSummary(len(shown), len(left_out), sum(run.unreadable for run in shown), len(page))


def _latest(runs: Sequence[Run]) -> list[Run]:
    """Return the runs that were written to most recently, in the order given."""
    newest = sorted(runs, key=lambda run: run.changed, reverse=True)[:MAX_RUNS]
    names = {run.name for run in newest}
    return [run for run in runs if run.name in names]


def _sections(runs: Sequence[Run]) -> list[Section]:
    numbers = {run.name: number for number, run in enumerate(runs)}
    with_sheets = sum(bool(run.sheets) for run in runs)
    most = min(MAX_SHEETS, MAX_SHEETS_TOTAL // max(1, with_sheets))
    return [
        Section(
            stage=stage,
            rows=[Row(numbers[run.name], run, summary(run), read_sheets(run, most)) for run in of_stage],
            plots=stage_plots(f"s{place}", of_stage, numbers),
            differences=differences(of_stage),
        )
        for place, (stage, of_stage) in enumerate(by_stage(runs).items())
    ]

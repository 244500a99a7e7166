"""`trainer report` from run folders to page."""

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
from train.reporting.sheet_series import MOST_SHEETS, MOST_SHEETS_IN_ALL, read_sheets

MOST_RUNS: Final = 24
"""Runs on the page; of more the last ones to be written to are shown."""


@dataclass(frozen=True)
class Written:
    """What the page holds, in a few numbers."""

    runs: int
    left_out: int
    unreadable: int
    bytes: int


def write_report(folder: Path, out: Path) -> Written:
    """Write the page about the runs in a folder, which is only read.

    Raise UserError where it holds no run, a package is missing, or the page cannot be written.
    """
    templates, plotly = open_templates(), plotly_script()
    found = read_runs(folder)
    shown = _latest(found)
    kept = {run.name for run in shown}
    left_out = [run.name for run in found if run.name not in kept]
    page = render(templates, Content(folder.resolve().name, _sections(shown), left_out), plotly)
    write_page(out, page)
    return Written(len(shown), len(left_out), sum(run.unreadable for run in shown), len(page))


def _latest(runs: Sequence[Run]) -> list[Run]:
    """Return the runs that were written to last, in the order given."""
    newest = sorted(runs, key=lambda run: run.changed, reverse=True)[:MOST_RUNS]
    kept = {run.name for run in newest}
    return [run for run in runs if run.name in kept]


def _sections(runs: Sequence[Run]) -> list[Section]:
    numbers = {run.name: number for number, run in enumerate(runs)}
    with_sheets = sum(bool(run.sheets) for run in runs)
    most = min(MOST_SHEETS, MOST_SHEETS_IN_ALL // max(1, with_sheets))
    return [
        Section(
            stage=stage,
            rows=[Row(numbers[run.name], run, summary(run), read_sheets(run, most)) for run in of_stage],
            plots=stage_plots(f"s{place}", of_stage, numbers),
            differences=differences(of_stage),
        )
        for place, (stage, of_stage) in enumerate(by_stage(runs).items())
    ]

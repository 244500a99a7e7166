"""The command `prep report`: a summary of shards as one HTML page."""

from __future__ import annotations

import time
from pathlib import Path

import click

from common.options import FILE, examples
from common.progress import progress_bar
from common.text import counted
from preprocess.cli.choices.table_options import TABLE, TableChoice
from preprocess.cli.options import SHARDS, WORKERS
from preprocess.inspection.page import write_report
from preprocess.workers import cores


@click.command("report", epilog=examples("prep report --shards shards/ --out shards.html"))
@SHARDS
@click.option(
    "--out", type=FILE, default=Path("report.html"), show_default=True,
    help="HTML file to write.",
)  # fmt: skip
@TABLE
@WORKERS
def report_command(shards: Path | str, out: Path, dataset: TableChoice, workers: int | None) -> None:
    """Summarise shards on one HTML page: counts, sizes, poses, leakage, example samples.

    With the dataset that the shards were built from (--src or --table), the images of rejected records are shown.
    """
    started = time.monotonic()
    files = dataset.open_if_given()
    with progress_bar("reading") as progress:
        report = write_report(shards, out, workers or cores(), progress, files)
    samples, leaks = counted(report.samples, "sample"), counted(report.leaks, "leak")
    summary = f"{samples}, {report.doubtful} of them doubtful, {leaks}"
    if report.damages:
        summary += f", {counted(report.damages, 'unreadable part')} (run prep verify for details)"
    seconds = time.monotonic() - started
    click.echo(f"{summary}; {report.shown} shown: {out} ({report.bytes / 1e6:.1f} MB, {seconds:.0f} s)")

"""The command `trainer report`: a summary of run folders as one HTML page."""

from __future__ import annotations

from pathlib import Path

import click

from common.options import FILE, FOLDER, examples
from train.reporting import write_report


@click.command("report", epilog=examples("trainer report --runs runs/ --out runs.html"))
@click.option(
    "--runs", type=FOLDER, default=Path("runs"), show_default=True,
    help="Folder with the run folders, up to three levels deep.",
)  # fmt: skip
@click.option(
    "--out", type=FILE, default=Path("report.html"), show_default=True,
    help="HTML file to write.",
)  # fmt: skip
def report_command(runs: Path, out: Path) -> None:
    """Summarise runs on one HTML page: losses, speed, memory, contact sheets, and how their settings differ."""
    report = write_report(runs, out)
    summary = f"{report.runs} runs"
    if report.left_out:
        summary += f", {report.left_out} older ones omitted"
    if report.unreadable:
        summary += f", {report.unreadable} unreadable lines of metrics"
    click.echo(f"{summary}: {out} ({report.bytes / 1e6:.1f} MB)")

"""The command `trainer report`: run folders become one page to look at."""

from __future__ import annotations

from pathlib import Path

import click

from common.options import examples
from train.reporting import write_report


@click.command("report", epilog=examples("trainer report --runs runs/ --out runs.html"))
@click.option(
    "--runs", type=click.Path(file_okay=False, path_type=Path), default=Path("runs"), show_default=True,
    help="Folder with run folders in it, or up to three levels below, to be compared.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("report.html"), show_default=True,
    help="File for the page.",
)  # fmt: skip
def report_command(runs: Path, out: Path) -> None:
    """Show how runs have trained on one page: losses, speed, memory, sheets, and what their settings differ in."""
    found = write_report(runs, out)
    told = f"{found.runs} runs"
    if found.left_out:
        told += f", {found.left_out} older ones left out"
    if found.unreadable:
        told += f", {found.unreadable} lines of metrics that cannot be read"
    click.echo(f"{told}: {out} ({found.bytes / 1e6:.1f} MB)")

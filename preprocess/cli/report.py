"""The command `prep report`: a summary of shards as one HTML page."""

from __future__ import annotations

import time
from pathlib import Path

import click

from common.options import Location, examples
from common.progress import progress_bar
from preprocess.inspection.page import write_report
from preprocess.workers import cores


@click.command("report", epilog=examples("prep report --shards shards/ --out shards.html"))
@click.option(
    "--shards", type=Location(), required=True,
    help="Output of prep build-shards: a folder or URL.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("report.html"), show_default=True,
    help="HTML file to write.",
)  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1), default=None, help="Worker processes.  [default: one per core]")
def report_command(shards: Path | str, out: Path, workers: int | None) -> None:
    """Summarise shards on one HTML page: counts, sizes, poses, leakage, example samples."""
    started = time.monotonic()
    with progress_bar("reading") as progress:
        report = write_report(shards, out, workers or cores(), progress)
    summary = f"{report.samples} samples, {report.doubtful} of them doubtful, {report.leaks} leaks"
    if report.damages:
        summary += f", {report.damages} unreadable parts (run prep verify for details)"
    seconds = time.monotonic() - started
    click.echo(f"{summary}; {report.shown} shown: {out} ({report.bytes / 1e6:.1f} MB, {seconds:.0f} s)")

"""The command `prep report`: shards become one page to look at."""

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
    help="Folder or URL that prep build-shards has written.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("report.html"), show_default=True,
    help="File for the page.",
)  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1), default=None, help="Processes.  [default: one per core]")
def report_command(shards: Path | str, out: Path, workers: int | None) -> None:
    """Show what a folder of shards holds on one page: counts, sizes, poses, leakage, samples to look at."""
    started = time.monotonic()
    with progress_bar("reading") as progress:
        found = write_report(shards, out, workers or cores(), progress)
    told = f"{found.samples} samples, {found.doubtful} of them doubtful, {found.leaks} leaks"
    if found.damages:
        told += f", {found.damages} parts that cannot be read (prep verify says more)"
    seconds = time.monotonic() - started
    click.echo(f"{told}; {found.shown} shown: {out} ({found.bytes / 1e6:.1f} MB, {seconds:.0f} s)")

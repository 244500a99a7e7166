"""`prep annotate`: exit code 0 where at least one pair can be used, 1 where none can, 2 for the user's mistake."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from common.options import FOLDER, examples
from common.progress import progress_bar
from preprocess.annotation.estimators.weights import load_estimators
from preprocess.annotation.labels.confidence import LEAST
from preprocess.annotation.session import Report, annotate

_LISTED = 10
"""Pictures to look at that are printed; all of them are in the list."""


@click.command("annotate", epilog=examples("prep annotate --src photos/ --out annotated/"))
@click.option("--src", type=FOLDER, required=True, help="Folder with people/, garments/ and pairs.csv.")
@click.option("--out", type=FOLDER, default=Path("annotated"), show_default=True, help="Folder for the data set.")
@click.option(
    "--weights", type=click.Path(path_type=Path), multiple=True, metavar="FILE|FOLDER",
    help="Weights of the estimators; repeatable.  [default: where rembg keeps its own]",
)  # fmt: skip
@click.option(
    "--min-confidence", type=click.FloatRange(0, 1), default=LEAST, show_default=True,
    help="Reject pictures with an estimate less sure than this.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Reject pictures of several people; do not take the largest.")
def annotate_photographs(src: Path, out: Path, weights: tuple[Path, ...], min_confidence: float, strict: bool) -> None:
    """Make a data set in AI-Hub's layout of your own photographs, by estimated poses and masks.

    Run it again after an interruption, or with more photographs, and it goes on; corrected labels are kept.
    """
    started = time.monotonic()
    with progress_bar("annotating") as progress:
        report = annotate(
            src, out, lambda: load_estimators(weights), progress, least=min_confidence, strict=strict
        )  # fmt: skip
    _print(report, out, time.monotonic() - started)
    if not report.pairs:
        sys.exit(1)


def _print(report: Report, out: Path, seconds: float) -> None:
    done = len(report.outcomes) - report.kept - report.rejected
    left_out = f", {report.pairs_left_out} pairs left out" if report.pairs_left_out else ""
    click.echo(
        f"{report.pairs} pairs in {out}{left_out}; {done} pictures annotated, {report.kept} kept ({seconds:.0f} s)"
    )
    doubtful = sorted((one for one in report.outcomes if one.reason or one.notes), key=lambda one: one.reason is None)
    for outcome in doubtful[:_LISTED]:
        click.echo(f"{outcome.photo.name}: {outcome.reason or '; '.join(outcome.notes)}")
    if doubtful:
        click.echo(f"look at {report.review}: {report.rejected} pictures rejected, {report.to_look_at} doubtful")

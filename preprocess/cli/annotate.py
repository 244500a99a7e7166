"""`prep annotate`: exit code 0 if at least one pair can be used, 1 if none can, 2 for a user error."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from common.options import FOLDER, examples
from common.progress import progress_bar
from preprocess.annotation.estimators.weights import load_estimators
from preprocess.annotation.labels.confidence import MIN_CONFIDENCE
from preprocess.annotation.session import Report, annotate

_LISTED = 10
"""Images to review that are printed; the review list has all of them."""


@click.command("annotate", epilog=examples("prep annotate --src photos/ --out annotated/"))
@click.option("--src", type=FOLDER, required=True, help="Folder with people/, garments/ and pairs.csv.")
@click.option("--out", type=FOLDER, default=Path("annotated"), show_default=True, help="Folder for the dataset.")
@click.option(
    "--weights", type=click.Path(path_type=Path), multiple=True, metavar="FILE|FOLDER",
    help="Weights of the estimators; repeatable.  [default: rembg's cache folder]",
)  # fmt: skip
@click.option(
    "--min-confidence", type=click.FloatRange(0, 1), default=MIN_CONFIDENCE, show_default=True,
    help="Reject images with an estimate below this confidence.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Reject images of several people instead of using the largest.")
def annotate_photographs(src: Path, out: Path, weights: tuple[Path, ...], min_confidence: float, strict: bool) -> None:
    """Turn your own photographs into a dataset in AI-Hub's layout, with estimated poses and masks.

    Run it again to resume after an interruption or to add photographs; corrected labels are kept.
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
    skipped = f", {report.pairs_skipped} pairs skipped" if report.pairs_skipped else ""
    click.echo(f"{report.pairs} pairs in {out}{skipped}; {done} images annotated, {report.kept} kept ({seconds:.0f} s)")
    doubtful = sorted(
        (item for item in report.outcomes if item.reason or item.notes), key=lambda item: item.reason is None
    )
    for outcome in doubtful[:_LISTED]:
        click.echo(f"{outcome.photo.name}: {outcome.reason or '; '.join(outcome.notes)}")
    if doubtful:
        click.echo(f"review {report.review}: {report.rejected} images rejected, {report.to_review} doubtful")

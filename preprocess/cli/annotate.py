"""`prep annotate`: exit code 0 if at least one pair can be used, 1 if none can, 2 for a user error."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import get_args

import click

from common.errors import UserError
from common.options import FOLDER, examples
from common.progress import notice, progress_bar
from common.text import counted
from preprocess.annotation.filling import fill_dataset
from preprocess.annotation.labels.confidence import MIN_CONFIDENCE
from preprocess.annotation.requested_pairs import FOLDERS
from preprocess.annotation.session import Report, annotate
from preprocess.cli.estimator_options import ESTIMATORS, EstimatorOptions
from preprocess.planning.datasets import LAYOUTS, recognise
from preprocess.sources import Files
from schemas import Garment, Source

_LISTED = 10
"""Images to review that are printed; the review list has all of them."""


@click.command("annotate", epilog=examples("prep annotate --src photos/ --out annotated/"))
@click.option("--src", type=FOLDER, required=True, help="Folder with people/ and garments/, or a dataset.")
@click.option("--out", type=FOLDER, default=Path("annotated"), show_default=True, help="Folder for the dataset.")
@click.option(
    "--pairs", "listed", type=click.Path(path_type=Path), metavar="FILE",
    help="CSV of who gets which garment.  [default: pairs.csv in --src or --out, else by names]",
)  # fmt: skip
@click.option(
    "--kind", type=click.Choice(get_args(Garment)), default="upper", show_default=True,
    help="Kind of the garments to which no list gives one.",
)  # fmt: skip
@ESTIMATORS
@click.option(
    "--min-confidence", type=click.FloatRange(0, 1), default=MIN_CONFIDENCE, show_default=True,
    help="Reject images with an estimate below this confidence.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Reject images of several people instead of using the largest.")
def annotate_photographs(
    src: Path,
    out: Path,
    listed: Path | None,
    kind: Garment,
    estimators: EstimatorOptions,
    min_confidence: float,
    strict: bool,
) -> None:
    """Turn your own photographs into a dataset in AI-Hub's layout, with estimated poses and masks.

    With a dataset as --src, estimate what its images lack: poses, label maps, garment masks.

    Labels of your own beside a photograph are used instead of estimates: NAME.pose.json, NAME.parse.png,
    NAME.agnostic.png, NAME.mask.png. Run it again to resume after an interruption or to add photographs; corrected
    labels are kept.
    """
    started = time.monotonic()
    if not any((src / folder).is_dir() for folder in FOLDERS):
        _fill(src, out, estimators, min_confidence, strict)
        return
    with progress_bar("annotating") as progress:
        report = annotate(
            src, out, estimators.load, progress, least=min_confidence, strict=strict, listed=listed, kind=kind,
            labels=estimators.table, notice=lambda line: notice("prep", line),
        )  # fmt: skip
    _print(report, out, time.monotonic() - started)
    if not report.pairs:
        sys.exit(1)


def _fill(src: Path, out: Path, estimators: EstimatorOptions, least: float, strict: bool) -> None:
    """Estimate what a dataset lacks."""
    started = time.monotonic()
    if not src.is_dir():
        raise UserError(f"--src {src}: no such folder; give one with people/ and garments/, or a dataset")
    files = Files(src)
    source = _recognised(files)
    with progress_bar("annotating") as progress:
        result = fill_dataset(
            files, out, source, estimators.load, progress, least=least, strict=strict, labels=estimators.table
        )  # fmt: skip
    kept = f", {counted(result.kept, 'image')} kept" if result.kept else ""
    left = f", {counted(len(result.rejected), 'image')} rejected" if result.rejected else ""
    click.echo(
        f"{counted(result.written, 'label')} of {source} in {out}{kept}{left} "
        f"({time.monotonic() - started:.0f} s); prep build-shards --src {src} --filled {out}"
    )
    for image, why in [*result.rejected.items(), *result.doubtful.items()][:_LISTED]:
        click.echo(f"{image}: {why}")
    if result.rejected or result.doubtful:
        click.echo(f"review {result.review}")
    if not result.written and not result.kept:
        sys.exit(1)


def _recognised(files: Files) -> Source:
    try:
        return recognise(files)
    except UserError as error:
        raise UserError(
            f"--src {files.src}: neither people/ and garments/ with photographs nor a dataset that lacks labels; "
            f"{LAYOUTS}"
        ) from error


def _print(report: Report, out: Path, seconds: float) -> None:
    done = len(report.outcomes) - report.kept - report.rejected
    skipped = f", {counted(report.pairs_skipped, 'pair')} skipped" if report.pairs_skipped else ""
    kept = f", {report.kept} kept" if report.kept else ""
    click.echo(
        f"{counted(report.pairs, 'pair')} in {out}{skipped}; {counted(done, 'image')} annotated{kept} ({seconds:.0f} s)"
    )
    doubtful = sorted(
        (item for item in report.outcomes if item.reason or item.notes), key=lambda item: item.reason is None
    )
    for outcome in doubtful[:_LISTED]:
        click.echo(f"{outcome.photo.name}: {outcome.reason or '; '.join(outcome.notes)}")
    if doubtful:
        click.echo(f"review {report.review}: {counted(report.rejected, 'image')} rejected, {report.to_review} doubtful")

"""The command `prep merge`."""

from __future__ import annotations

from pathlib import Path

import click

from common.errors import UserError
from common.options import Location, examples
from common.progress import progress_bar
from preprocess.cli.options import contents_of
from preprocess.sharding.reshaping.merging import merge
from schemas import MANIFEST


@click.command("merge", epilog=examples("prep merge --shards upper/ --shards dresses/ --out all/"))
@click.option("--shards", type=Location(), multiple=True, required=True, help="Finished shards; give it twice or more.")
@click.option("--out", type=Location(), required=True, help="Folder for the merged shards, or s3://…")
def merge_shards(shards: tuple[Path | str, ...], out: Path | str) -> None:
    """Copy finished shards into one folder; their bytes stay the same.

    An interrupted run resumes when it is run again.
    """
    if len(shards) < 2:
        raise UserError(f"--shards {shards[0]}: a single folder; give --shards for each folder to merge")
    with progress_bar("merging") as progress:
        manifest = merge(shards, out, progress)
    click.echo(f"{contents_of(manifest)}: {out}/{MANIFEST}")

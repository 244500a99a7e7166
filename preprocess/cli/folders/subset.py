"""The command `prep subset`."""

from __future__ import annotations

from pathlib import Path

import click

from common.options import Location, examples
from common.progress import progress_bar
from preprocess.cli.options import SHARDS, contents_of
from preprocess.sharding.reshaping.subsets import subset
from schemas import MANIFEST


@click.command(
    "subset",
    epilog=examples(
        "prep subset --shards shards/ --where garment=dress --out dresses/",
        "prep subset --shards shards/ --where 'person.crop.side>=512' --where 'view!=back' --out large/",
    ),
)
@SHARDS
@click.option(
    "--where", multiple=True, required=True, metavar="FIELD=VALUE",
    help="A field of the samples' JSON, and =, !=, <, <=, >, >=, ~ (contains) or !~; repeatable, all must hold.",
)  # fmt: skip
@click.option("--out", type=Location(), required=True, help="Folder for the samples, or s3://…")
def subset_shards(shards: Path | str, where: tuple[str, ...], out: Path | str) -> None:
    """Copy the samples that fulfil conditions into another folder; their members' bytes stay the same.

    An interrupted run resumes when it is run again.
    """
    with progress_bar("copying") as progress:
        manifest = subset(shards, out, where, progress)
    click.echo(f"{contents_of(manifest)}: {out}/{MANIFEST}")

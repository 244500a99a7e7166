"""The command `prep unpack`."""

from __future__ import annotations

from pathlib import Path

import click

from common.errors import UserError
from common.options import FOLDER, examples
from common.progress import progress_bar
from common.text import counted
from preprocess.annotation.unpacking import LABELLED, unpack
from preprocess.cli.choices.table_options import TABLE, TableChoice, notice_unused
from preprocess.sources.tables.pair_table import open_table
from preprocess.sources.tables.table_files import TableFiles


@click.command(
    "unpack",
    epilog=examples(
        "prep unpack --table 'validation/*.parquet' --column person=target --column garment=source --out photos/"
    ),
)
@TABLE
@click.option("--out", type=FOLDER, required=True, help="Folder for people/, garments/ and pairs.csv.")
@click.option("--limit", type=click.IntRange(min=1), default=None, help="Unpack the first so many rows.")
def unpack_table(dataset: TableChoice, out: Path, limit: int | None) -> None:
    """Write the photographs of a table without poses or parses as a folder for prep annotate.

    Its labelled.csv is the table of the annotated photographs, for prep build-shards --src. Files that exist are kept.
    """
    files = dataset.open("table", absolute=False)
    if not isinstance(files, TableFiles):
        raise UserError("--table: missing; give the table of pairs to unpack")
    data = open_table(files)
    notice_unused(data)
    if not data.rows:
        raise UserError(f"--table: {data.why_empty('item')}")
    with progress_bar("unpacking") as progress:
        done = unpack(data, data.rows[:limit], out, progress)
    click.echo(
        f"{counted(done.pairs, 'pair')} of {counted(done.people, 'person', 'people')} and "
        f"{counted(done.garments, 'garment')} in {out}"
    )
    for fault, count in (data.found.counts + done.skipped.counts).items():
        click.echo(f"skipped: {count} {fault}")
    click.echo(
        f"next: prep annotate --src {out} --out ANNOTATED, then prep build-shards --table {out / LABELLED} "
        "--src ANNOTATED"
    )

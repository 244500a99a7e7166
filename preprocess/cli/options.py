"""Options shared by several commands of `prep`."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from common.options import Location
from common.progress import notice
from preprocess.faults import Fault, Tally
from preprocess.label_tables import TableName
from preprocess.sources.files import Files
from schemas import Source

SHARDS = click.option("--shards", type=Location(), required=True, help="Output of prep build-shards: a folder or URL.")
SRC = click.option("--src", type=click.Path(path_type=Path), required=True, help="Folder with the dataset, or its zip.")
FOLLOW_LINKS = click.option("--follow-links", is_flag=True, help="Read what symbolic links in --src lead to.")
FILLED = click.option(
    "--filled", type=click.Path(path_type=Path), default=None,
    help="Output of prep annotate for this dataset: labels that it lacks.",
)  # fmt: skip
SOURCE = click.option(
    "--source", type=click.Choice(["auto", *(kind for kind in get_args(Source) if kind != "table")]), default="auto",
    show_default=True, help="Kind of dataset; auto: recognise it.",
)  # fmt: skip
SOURCE_OR_TABLE = click.option(
    "--source", type=click.Choice(["auto", *get_args(Source)]), default="auto", show_default=True,
    help="Kind of dataset; auto: recognise it, or a table if --table is given.",
)  # fmt: skip
WORKERS = click.option(
    "--workers", type=click.IntRange(min=1), default=None, help="Worker processes.  [default: one per core]"
)
LABELS = click.option(
    "--labels", default="auto", show_default=True, metavar="|".join(["auto", *get_args(TableName), "FILE"]),
    help="Label table of the people's label maps; auto: told by where the poses' joints lie in them. FILE: JSON, CSV "
    "or TOML with the name of each number.",
)  # fmt: skip


def notice_links(files: Files) -> None:
    """Say in one line that links to folders were skipped, if any were."""
    found = Tally()
    for _ in files.walk(found):
        pass
    if count := found.counts[Fault.LINKED_FOLDER]:
        first = found.examples[Fault.LINKED_FOLDER][0]
        notice("prep", f"--src {files.src}: {count} linked folders are skipped ({first}); to read them: --follow-links")

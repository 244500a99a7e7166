"""Options shared by several commands of `prep`."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from common.options import Location
from common.progress import notice
from common.text import counted
from preprocess.faults import Fault, Tally
from preprocess.label_tables import TableName
from preprocess.sources.files import Files
from schemas import Manifest, Source

SHARDS = click.option("--shards", type=Location(), required=True, help="Output of prep build-shards: a folder or URL.")
FILLED = click.option(
    "--filled", type=click.Path(path_type=Path), default=None,
    help="Output of prep annotate for this dataset: labels that it lacks.",
)  # fmt: skip
SOURCE_OR_TABLE = click.option(
    "--source", type=click.Choice(["auto", *get_args(Source)]), default="auto", show_default=True,
    help="Kind of dataset; auto: recognise it, or a table if --table is given.",
)  # fmt: skip
WORKERS = click.option(
    "--workers", type=click.IntRange(min=1), default=None, help="Worker processes.  [default: one per core]"
)
UNPAIRED = click.option(
    "--unpaired", is_flag=True,
    help="VITON-HD, Dress Code, tables: use every pair as it is listed, for inference where it is not worn.",
)  # fmt: skip
LABELS = click.option(
    "--labels", default="auto", show_default=True, metavar="|".join(["auto", *get_args(TableName), "FILE"]),
    help="Label table of the people's label maps; auto: inferred from where the poses' joints lie. FILE: JSON, CSV "
    "or TOML with the name of each number.",
)  # fmt: skip


def notice_links(files: Files) -> None:
    """Say in one line that links to folders were skipped, if any were."""
    found = Tally()
    for _ in files.walk(found):
        pass
    if count := found.counts[Fault.LINKED_FOLDER]:
        first = found.examples[Fault.LINKED_FOLDER][0]
        notice(
            "prep", f"--src {files.given}: {count} linked folders are skipped ({first}); to read them: --follow-links"
        )


def contents_of(manifest: Manifest) -> str:
    """Return the amounts of finished shards in words: "3 samples (2 train, 1 val) in 2 shards"."""
    splits = ", ".join(f"{count} {split}" for split, count in manifest.samples_by_split.items())
    return f"{counted(manifest.samples, 'sample')} ({splits or 'none'}) in {counted(len(manifest.shards), 'shard')}"

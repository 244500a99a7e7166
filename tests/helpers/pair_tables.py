"""Tables of pairs of three drawn people in VITON-HD's files, one of them for validation."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from configurations import CONFIGURATION

from preprocess.cli.choices.table_options import TableChoice
from preprocess.sharding.sample import Members, make_samples
from preprocess.sources import Files, Record
from preprocess.sources.tables.pair_table import PairTable, open_table
from preprocess.sources.tables.table_files import TableFiles
from schemas import META

PEOPLE = (("train", "00001_00"), ("train", "00002_00"), ("test", "00003_00"))
Rows = Sequence[Mapping[str, str]]


def row_of(split: str, stem: str) -> dict[str, str]:
    """Return a whole row."""
    return {
        "person": f"{split}/image/{stem}.jpg",
        "garment": f"{split}/cloth/{stem}.jpg",
        "pose": f"{split}/openpose_json/{stem}_keypoints.json",
        "parse": f"{split}/image-parse-v3/{stem}.png",
        "mask": f"{split}/cloth-mask/{stem}.jpg",
        "category": "T-shirts",
        "split": split,
    }


def written(path: Path, rows: Rows) -> Path:
    """Write rows as CSV."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def opened_table(
    table: Path | str, src: Path | None, *, column: tuple[str, ...] = (), category: tuple[str, ...] = (),
    cache: Path | None = None,
) -> PairTable:  # fmt: skip
    """Open a table as `prep build-shards --table` does."""
    choice = TableChoice(src, False, None, (str(table),), column, category, cache)
    files = choice.open("auto", absolute=False)
    assert isinstance(files, TableFiles)
    return open_table(files)


def members_of(files: Files, records: Sequence[Record]) -> list[dict[str, bytes]]:
    """Return the members of each record's sample but its description; every record must become one."""
    made = list(make_samples(files, records, CONFIGURATION.model_copy(update={"source": "table"})))
    assert all(isinstance(one, Members) for one in made), made
    return [{k: v for k, v in one.members.items() if k != META} for one in made if isinstance(one, Members)]

"""The label table of a dataset: the user's choice of --labels, an earlier run's, or the evidence of the sample."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import click

from common.errors import UserError
from preprocess.formats.label_table_files import read_table
from preprocess.label_tables import AIHUB_PIXELS, Pixelwise, TableName, shown_name
from preprocess.loading.label_evidence import Decision, Person, decide_table
from preprocess.loading.label_map_subjects import DRESS_CODE_GRID
from preprocess.sources import Files, Record
from schemas import Source


def given_table(option: str, source: Source) -> Pixelwise | None:
    """Return the table that --labels names, None for `auto`. Raise UserError."""
    if option == "auto":
        return None
    if source == "aihub":
        if option == "aihub":
            return None
        raise UserError(f"--labels {option}: AI-Hub's parses name their regions; leave the option out")
    if option == "aihub":
        return AIHUB_PIXELS
    if option in get_args(TableName):
        return option
    path = Path(option)
    if not path.is_file():
        raise UserError(f"--labels {option}: neither one of {', '.join(get_args(TableName))} nor a file")
    return read_table(path)


def with_table(
    files: Files, records: Sequence[Record], given: Pixelwise | None, earlier: Pixelwise | None = None
) -> tuple[list[Record], Pixelwise | None]:
    """Return the records with the table of their maps, and the table; None if they have no maps.

    ``given`` is the user's choice, ``earlier`` the one of the plan that the folder has: a run that resumes must not
    change its mind. Raise UserError if several tables fit alike.
    """
    usual = next((record.labels for record in records if record.labels != "aihub"), None)
    if usual is None:
        return list(records), None
    table = given or earlier or announced(decide_table(files, people_of(records), usual), usual)
    return [record if record.labels == "aihub" else replace(record, labels=table) for record in records], table


def people_of(records: Iterable[Record]) -> list[Person]:
    """Return the label files of every person."""
    return [
        Person(record.person_pose, record.person_parse, DRESS_CODE_GRID if record.layout == "dress-code" else None)
        for record in records
        if record.labels != "aihub"
    ]


def announced(decision: Decision, usual: Pixelwise) -> Pixelwise:
    """Return the table; say on stderr if it is not the layout's usual one."""
    if decision.labels != usual:
        click.echo(
            f"labels: the table {shown_name(decision.labels)}, not this layout's usual {shown_name(usual)}: poses and "
            f"label maps agree by {decision.mean:.2f} of 1 ({decision.people} people)",
            err=True,
        )
    return decision.labels

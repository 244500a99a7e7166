"""The command `prep inspect`: a table for people, or one JSON object."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Literal

import click
from rich.cells import cell_len

from common.options import examples
from common.progress import progress_bar
from common.text import counted
from preprocess.cli.choices.table_options import TABLE, TableChoice, notice_unused
from preprocess.cli.label_table import given_table
from preprocess.cli.options import LABELS, SOURCE_OR_TABLE, WORKERS, notice_links
from preprocess.faults import Fate, Fault, Tally
from preprocess.inspection.dataset.listed_overview import ListedReport, inspect_listed
from preprocess.inspection.dataset.overview import AIHUB_FAULTS, Report, inspect
from preprocess.inspection.dataset.table_overview import inspect_table
from preprocess.label_tables import shown_name
from preprocess.planning.datasets import open_dataset, recognise
from preprocess.sources import Files
from preprocess.sources.tables.pair_table import PairTable
from preprocess.workers import cores
from schemas import Source

_WIDTH = 100
_BAR = 40
_GRAVEST = (Fate.REJECTED, Fate.REPAIRED, Fate.NOTED)
_LETTERS = "#+."
"""The parts of the bar, in that order."""


@click.command(
    "inspect",
    epilog=examples("prep inspect --src aihub/", "prep inspect --src aihub/ --json", "prep inspect --table pairs.csv"),
)
@TABLE
@SOURCE_OR_TABLE
@LABELS
@WORKERS
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def inspect_command(
    dataset: TableChoice,
    source: Source | Literal["auto"],
    labels: str,
    workers: int | None,
    as_json: bool,
) -> None:
    """List what a dataset contains, how its parts match, and its faults; decodes no images."""
    files = dataset.open(source, absolute=False)
    notice_links(files)
    report = _report(files, recognise(files) if source == "auto" else source, labels, workers or cores())
    if as_json:
        click.echo(json.dumps(report.document(), ensure_ascii=False))
    else:
        click.echo("\n".join(_lines(report) if isinstance(report, Report) else _listed_lines(report)))


def _report(files: Files, kind: Source, labels: str, workers: int) -> Report | ListedReport:
    table = given_table(labels, kind)
    data = open_dataset(files, kind, unpaired=True) if kind == "table" else None
    if data is not None:
        notice_unused(data)
    with progress_bar("reading") as progress:
        if isinstance(data, PairTable):
            return inspect_table(data, workers, progress, table)
        if kind == "aihub":
            return inspect(files, workers, progress)
        assert kind != "table", "open_dataset opened it"
        return inspect_listed(files, kind, workers, progress, table)


def _lines(report: Report) -> Iterator[str]:
    yield f"AI-Hub 78, release {report.release}: {report.src} ({report.labels_read} label files read)"
    splits = report.splits.values()
    yield _row("", *report.splits)
    yield from _section("files", [split.files for split in splits])
    yield from _section("joins", [asdict(split.joins) for split in splits])
    yield from _section("views of people", [split.views for split in splits])
    yield from _section("categories of products", [split.categories for split in splits])
    yield from _section("worn, in listed pairs", [split.worn for split in splits])
    yield from _fault_lines(report.faults, AIHUB_FAULTS)
    only_pixels = f"{Fault.TURNED_IMAGE}, {Fault.BAD_IMAGE}, {Fault.AMBIGUOUS_LAYERS}"
    yield f"not checked: faults visible only in pixels ({only_pixels})"


def _listed_lines(report: ListedReport) -> Iterator[str]:
    name = {"viton-hd": "VITON-HD", "dress-code": "Dress Code", "table": "table of pairs"}[report.source]
    yield f"{name}, labels of the table {shown_name(report.labels)}{_reason(report)}: {report.src}"
    for group, counts in report.files.items():
        yield from _section(f"files of {group}" if group else "files", [counts])
    yield ""
    yield _row("", *report.pairs)
    yield from _section("pairs", list(report.pairs.values()))
    yield from _fault_lines(report.faults, report.known)
    in_pixels = (
        Fault.UNCLEAR_GARMENT, Fault.GRABCUT_GARMENT, Fault.UNSURE_LANDMARKS, Fault.STRAY_CLOTH,
        Fault.MISLABELLED_GARMENT, Fault.AMBIGUOUS_LAYERS,
    )  # fmt: skip
    only_pixels = f"one image under two names, {', '.join(in_pixels)}"
    yield f"not checked: faults visible only in pixels ({only_pixels})"


def _reason(report: ListedReport) -> str:
    if not report.people_compared:
        return ""
    people = counted(report.people_compared, "person", "people")
    return f" (poses and labels of {people} agree by {report.agreement:.2f} of 1)"


def _fault_lines(faults: Tally, known: tuple[Fault, ...]) -> Iterator[str]:
    """Yield the faults, those that reject records first, then by their number; above them a bar by fate."""
    yield ""
    present = [fault for fault in dict.fromkeys((*known, *faults.counts)) if faults.counts[fault]]
    yield "faults" if present else "faults: none"
    if present:
        yield f"  {_bar(faults)}"
    for fault in sorted(present, key=lambda fault: (_GRAVEST.index(fault.fate), -faults.counts[fault])):
        yield f"  {faults.counts[fault]:>8} {fault:<22} {fault.fate}: {fault.meaning}"
        yield from (f"{'':>11}{_tail(path, _WIDTH - 11)}" for path in faults.examples.get(fault, ()))


def _bar(faults: Tally) -> str:
    """Return a bar of all faults, each fate's part by its share, and the numbers."""
    counts = {fate: sum(count for fault, count in faults.counts.items() if fault.fate is fate) for fate in _GRAVEST}
    total, ends, done = sum(counts.values()), [0], 0
    for count in counts.values():
        done += count
        ends.append(round(_BAR * done / total))
    bar = "".join(
        letter * (end - start) for letter, start, end in zip(_LETTERS, ends, ends[1:], strict=False)
    )  # fmt: skip
    said = (f"{letter} {count} {fate}" for letter, (fate, count) in zip(_LETTERS, counts.items(), strict=True) if count)
    return f"{bar}  {', '.join(said)}"


def _section(title: str, columns: list[dict[str, int]]) -> Iterator[str]:
    yield ""
    yield title
    for name in dict.fromkeys(name for column in columns for name in column):
        yield _row(name.replace("_", " ") if title == "joins" else name, *(column.get(name, 0) for column in columns))


def _row(name: str, *values: object) -> str:
    return f"  {name:<28}" + "".join(f"{value!s:>10}" for value in values)


def _tail(path: str, cells: int) -> str:
    """Shorten a path from the left to fit; Korean characters are two cells wide."""
    if cell_len(path) <= cells:
        return path
    while cell_len(path) > cells - 1:
        path = path[1:]
    return f"…{path}"

"""Markdown tables of records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from card.state import Record

NOT_MEASURED = "not measured"


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def row(records: Mapping[str, Record], cell: str, figures: Mapping[str, str]) -> list[str]:
    """Return a cell's figures, each formatted as ``figures`` says, e.g. {"images_per_second": ".0f"}.

    A cell that was not run is "not measured", one that failed says so in its first column.
    """
    record = records.get(cell)
    if record is None:
        return [NOT_MEASURED] + [""] * (len(figures) - 1)
    if "error" in record:
        return [f"failed: {record['error']}"] + [""] * (len(figures) - 1)
    return [formatted(record["result"].get(name), how) for name, how in figures.items()]


def formatted(value: Any, how: str) -> str:
    """Return a figure; empty if unknown."""
    return "" if value is None else format(value, how)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")

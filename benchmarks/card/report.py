"""Write the tables of docs/measurements/card.md between their markers; the prose around them is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from card.cells import Part
from card.state import State
from card.tables import NOT_MEASURED, table

from common.atomic import write_atomically

_NAMES = {
    "card": "card", "memory": "memory", "capability": "compute capability", "driver": "driver", "torch": "torch",
    "cuda": "CUDA", "cudnn": "cuDNN", "triton": "Triton", "python": "Python", "commit": "commit", "date": "date",
}  # fmt: skip


def write_report(document: Path, parts: Sequence[Part], state: State | None) -> None:
    """Write the tables of the recorded figures; without a state all are "not measured"."""
    text = document.read_text("utf-8")
    text = replaced(text, "machine", machine_table(state))
    for part in parts:
        text = replaced(text, part.name, part.table({} if state is None else state.of_part(part.name)))
    write_atomically(document, text.encode())


def is_measured(document: Path) -> bool:
    """Return whether the document holds the tables of an earlier run."""
    found = re.search(r"<!-- card:machine -->\n(.*?)<!-- /card:machine -->", document.read_text("utf-8"), re.DOTALL)
    return found is not None and NOT_MEASURED not in found[1]


def machine_table(state: State | None) -> str:
    """Return which card and versions the figures belong to, and the day of the report."""
    if state is None:
        return NOT_MEASURED
    facts = {**state.machine, "date": datetime.now(UTC).date().isoformat()}
    return table(["", ""], [[title, facts[name]] for name, title in _NAMES.items() if name in facts])


def replaced(text: str, name: str, table_: str) -> str:
    """Return the text with the table between its marks. Raise ValueError if the markers are missing."""
    begin, end = f"<!-- card:{name} -->\n", f"<!-- /card:{name} -->"
    before, found, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise ValueError(f"no marks {begin.strip()} and {end}")
    return f"{before}{begin}{table_}\n{end}{after}"

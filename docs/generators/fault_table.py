"""The fault reference: each fault's code, meaning and fate, from the catalogue in preprocess/faults.py."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import preprocess.faults
from generators.tables import table

FATES = {
    "rejected": "The record becomes a line of `rejects.jsonl` and no sample.",
    "repaired": "The record becomes a sample, which names the fault; reports count it.",
    "noted": "Nothing is changed for it; it is counted, and named where it is found.",
}


def fault_reference() -> str:
    """Return one table for each fate."""
    catalogue: Iterable[Any] | None = getattr(preprocess.faults, "Fault", None)
    if catalogue is None:
        return "The catalogue is not in this version; the guides of each dataset name its faults.\n"
    faults = list(catalogue)
    return "\n".join(
        f"## {fate.capitalize()}\n\n{what}\n\n"
        + table(("code", "meaning"), [(f"`{one.value}`", one.meaning) for one in faults if one.fate == fate])
        for fate, what in FATES.items()
    )

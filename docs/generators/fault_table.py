"""The fault reference: each fault's code, meaning and fate, from the catalogue in preprocess/faults.py."""

from __future__ import annotations

from generators.tables import table
from preprocess.faults import Exclusion, Fate, Fault

TITLES = {
    Fate.REJECTED: "The record becomes a line of `rejects.jsonl` (or of `review.csv`) and no sample.",
    Fate.REPAIRED: "The record becomes a sample, which names the fault; reports count it.",
    Fate.NOTED: "It is counted: nothing is changed, or a file or row that no record needs is skipped.",
}
"""What each fate means for a reader of a report."""


def fault_reference() -> str:
    """Return one table for each fate, and what is no fault."""
    parts = [f"## {fate.capitalize()}\n\n{what}\n\n{_table(fate)}" for fate, what in TITLES.items()]
    codes = ", ".join(f"`{one}`" for one in Exclusion)
    return "\n".join([*parts, f"## Excluded\n\nNo faults, but pairs that your options did not ask for: {codes}.\n"])


def _table(fate: Fate) -> str:
    return table(("code", "meaning"), [(f"`{one}`", one.meaning) for one in Fault if one.fate == fate])

"""Which garment a listed person wears: only that pair has an image that shows it.

A person's own garment has the person's name; where a dataset keeps to that, a row with another garment is an unpaired
try-on, which no image shows, and the own garment is used. Where garments have names of their own, the pairs are
believed as listed, except in lists that are unpaired by their name.

For inference no image has to show the garment: with ``unpaired`` every row is used as it is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from preprocess.faults import Fault, Tally
from schemas import Split

_CONVENTION = 0.2
"""Share of the listed people with a garment of their name from which on names tell who wears what."""


class Dressed(NamedTuple):
    """A row, the garment that the person gets, and whether the person's image shows it."""

    row: Listing
    garment: str
    worn: bool


class Listing(NamedTuple):
    """One row of a list, by the group and the stems of its images."""

    split: Split
    group: str
    person: str
    garment: str
    path: str
    """The list's path"""
    unpaired: bool
    """Whether the list says by its name that the people wear other garments"""
    row: str
    """The row in messages"""


Own = Callable[[Listing], str]
"""Returns the person's own garment by its name: the row's if it is that, else one that has an image; "" for none."""


def worn_garments(
    rows: Sequence[Listing], own: Own, absent: Callable[[Listing], str], found: Tally, *, unpaired: bool = False
) -> Iterator[Dressed]:
    """Yield the rows with the garment that the person wears; rows without one are counted in ``found`` and skipped.

    ``absent`` returns the name that a missing own garment would have. With ``unpaired`` no row is skipped or changed:
    those whose people do not wear the listed garment, or may not, are for inference.
    """
    owned = [own(row) for row in rows]
    by_name = _goes_by_names(rows, owned)
    believed = _believed([row for row, garment in zip(rows, owned, strict=True) if not garment])
    for row, garment in zip(rows, owned, strict=True):
        listed = believed.get((row.group, row.person), (row.garment,))
        worn = garment or (absent(row) if by_name else listed[0])
        if unpaired:
            known = garment or by_name or (len(listed) == 1 and not row.unpaired)
            yield Dressed(row, row.garment, bool(known) and worn == row.garment)
            continue
        if not garment and not by_name:
            if row.unpaired and (row.group, row.person) not in believed:
                found.note(Fault.WORN_UNKNOWN, row.row)
                continue
            if len(listed) > 1:
                found.note(Fault.CONFLICTING_PAIRS, row.row)
                continue
        if worn != row.garment:
            found.note(Fault.UNPAIRED_ROW, row.row)
        yield Dressed(row, worn, worn=True)


def _goes_by_names(rows: Sequence[Listing], owned: Sequence[str]) -> bool:
    people = {(row.group, row.person) for row in rows}
    dressed = {(row.group, row.person) for row, garment in zip(rows, owned, strict=True) if garment}
    return len(dressed) > _CONVENTION * len(people)


def _believed(rows: Sequence[Listing]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the garments that each person is listed with: by the training list, else by the first other one."""
    garments: dict[tuple[str, str], dict[str, dict[str, None]]] = {}
    for row in sorted(rows, key=_trust):
        if not row.unpaired:
            lists = garments.setdefault((row.group, row.person), {})
            lists.setdefault(row.path, {})[row.garment] = None
    return {person: tuple(next(iter(lists.values()))) for person, lists in garments.items()}


def _trust(row: Listing) -> tuple[bool, bool]:
    return row.split != "train", "paired" not in row.path.rpartition("/")[2].lower()

"""Infers the label table of a dataset's maps from where pose joints fall in them.

Numbers of labels mean nothing without their table, and no file says which one it is. The tables are scored on a
sample of the people: the nose lies on a face, wrists on arms or sleeves, and so on. The decision is made once, at
planning, so that all processes and machines agree; each record is checked by it again when it is loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.errors import UserError
from preprocess.conditioning.agreement import kinds_of, places_vote
from preprocess.conditioning.turns import AS_IT_IS, SIDEWAYS, UPRIGHT
from preprocess.faults import RecordError
from preprocess.formats.keypoint_files import Skeletons, read_skeletons
from preprocess.formats.label_maps import read_numbers
from preprocess.label_tables import NAMES, UNUSED, Pixelwise, label_names, shown_name
from preprocess.loading.matching import Evidence, Fit, fitted
from preprocess.sources import Files

_SAMPLE = 32
"""Number of people sampled."""
_TRIES = 96
"""Number of people whose files are opened, if some cannot be read."""
_FITS = 0.45
"""Minimum mean vote of a table that fits."""
_UPRIGHT = 0.7
"""The mean vote from which a map needs no turning to be understood."""
_DIFFERENT = 0.015
"""Difference of two tables' mean votes from which a record tells them apart; one of them must fit it."""
_CONSISTENT = 0.75
"""Minimum share of the records in which the better table of two is the better one."""
_STEP = 4
"""Stride at which areas are compared."""
_USED = 0.0005
"""Minimum share of a map that a number covers to be used in it."""


@dataclass(frozen=True)
class Decision:
    """The table of a dataset, and what it was decided by."""

    labels: Pixelwise
    mean: float = 0.0
    """How well it fits, in [-1, 1]"""
    people: int = 0
    """Number of people looked at; 0 if nothing could be, or the user gave the table"""


@dataclass(frozen=True)
class Person:
    """The label files of one person."""

    pose: str
    parse: str
    grid: tuple[int, int] | None


def decide_table(files: Files, people: Iterable[Person], usual: Pixelwise) -> Decision:
    """Return the table of the people's maps; the layout's ``usual`` one if it cannot be inferred or no table fits.

    Raise UserError if several tables fit alike.
    """
    tables = list(dict.fromkeys((usual, *NAMES)))
    tables = [table for place, table in enumerate(tables) if not _repeats(table, tables[:place])]
    votes, used = [], []
    for person in _sample(people):
        found = _votes(files, person, tables)
        if found is not None:
            votes.append(found[0])
            used.append(found[1])
        if len(votes) == _SAMPLE:
            break
    if not votes:
        return Decision(usual)
    scores = np.array(votes)
    means = scores.mean(axis=0)
    best = int(means.argmax())
    if means[best] < _FITS:
        return Decision(usual, float(means[0]), len(votes))
    for rival in np.argsort(-means).tolist():
        if rival == best or means[rival] < _FITS:
            continue
        verdict = _compare(scores[:, best], scores[:, rival])
        if verdict == 0 and (best == 0 or rival == 0 or _alike(tables[best], tables[rival], used)):
            best = min(best, rival)  # nothing tells them apart: the layout's own table, or either
        elif verdict <= 0:
            raise UserError(
                f"--src {files.given}: the label maps fit the tables {shown_name(tables[best])} and "
                f"{shown_name(tables[rival])} alike ({means[best]:.2f} and {means[rival]:.2f} of 1, {len(votes)} "
                "people); give --labels"
            )
    return Decision(tables[best], float(means[best]), len(votes))


def _repeats(table: Pixelwise, earlier: Sequence[Pixelwise]) -> bool:
    return any(label_names(table) == label_names(one) for one in earlier)


def _compare(better: NDArray[np.float64], worse: NDArray[np.float64]) -> int:
    """Return 1 if the first table is the better one, 0 if they differ nowhere, -1 if the records disagree."""
    differences = better - worse
    telling = differences[(np.abs(differences) > _DIFFERENT) & (np.maximum(better, worse) >= _UPRIGHT)]
    if not len(telling):
        return 0
    return 1 if (telling > 0).mean() >= _CONSISTENT else -1


def _alike(one: Pixelwise, other: Pixelwise, used: Sequence[frozenset[int]]) -> bool:
    """Return whether two tables mean the same by all numbers that are used."""
    first, second = kinds_of(one), kinds_of(other)
    numbers = frozenset().union(*used)
    return all(max(numbers) < len(kinds) for kinds in (first, second)) and all(
        first[number] == second[number] for number in numbers
    )


def _sample(people: Iterable[Person]) -> list[Person]:
    """Return people in an order that depends on their names alone."""
    distinct = {person.parse: person for person in people if person.pose and person.parse}
    ordered = sorted(distinct.values(), key=lambda person: hashlib.sha256(person.parse.encode()).digest())
    return ordered[:_TRIES]


def _votes(files: Files, person: Person, tables: Sequence[Pixelwise]) -> tuple[list[float], frozenset[int]] | None:
    """Return the mean vote for each table, and the numbers used; None if the files cannot be read."""
    try:
        skeletons = read_skeletons(files.read(person.pose), person.pose)
        numbers = read_numbers(files.read(person.parse), person.parse).numbers
    except RecordError:
        return None
    if not any(points.any() for points in skeletons.people):
        return None
    counts = np.bincount(numbers.ravel(), minlength=256)
    used = frozenset(np.flatnonzero(counts > _USED * numbers.size).tolist())
    if len(used) < 3:
        return None
    possible = [table for table in tables if _has(table, used)]
    votes = {table: _vote(numbers, skeletons, person, table, turned=False) for table in possible}
    if max(votes.values(), default=0.0) < _UPRIGHT:
        votes = {table: _vote(numbers, skeletons, person, table, turned=True) for table in possible}
    return [votes.get(table, -1.0) for table in tables], used


def _has(table: Pixelwise, used: frozenset[int]) -> bool:
    names = label_names(table)
    return all(number < len(names) and names[number] != UNUSED for number in used)


def _vote(numbers: NDArray[np.uint8], skeletons: Skeletons, person: Person, table: Pixelwise, turned: bool) -> float:
    best: tuple[float, NDArray[np.uint8], Fit] | None = None
    for every_grid in (False, True) if turned else (False,):
        for turn in (*UPRIGHT, *SIDEWAYS) if turned else (AS_IT_IS,):
            lying = turn.of(numbers)
            evidence = Evidence(lying, skeletons, table, person.grid, person.pose, person.parse)
            fit = fitted(evidence, lying, every_grid=every_grid)
            if best is None or fit.agreement.mean > best[0]:
                best = fit.agreement.mean, lying, fit
        if best is not None and best[0] >= _UPRIGHT:
            break
    assert best is not None, "there is a turn"
    mean, lying, fit = best
    return mean + places_vote(lying[::_STEP, ::_STEP], fit.points / (_STEP, _STEP, 1), table)

"""Leaks between splits and images under several names, by the same checks as `prep verify`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from preprocess.inspection.page.entry import ShardScan
from preprocess.inspection.verification import Problem
from preprocess.inspection.verification.leakage import id_leaks, image_leaks, repeated_keys


@dataclass(frozen=True)
class Duplicate:
    """Several files with identical pixels."""

    what: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Leaks:
    """``proven`` are leaks and repeated keys; ``likely`` need human review (see verification's `Report`)."""

    proven: tuple[Problem, ...]
    likely: tuple[Problem, ...]
    duplicates: tuple[Duplicate, ...]

    @cached_property
    def keys(self) -> frozenset[str]:
        """Keys of the samples that are in a leak."""
        return frozenset(problem.key for problem in (*self.proven, *self.likely))


def find_leaks(scans: Sequence[ShardScan]) -> Leaks:
    """Compare all shards with each other."""
    facts = [(scan.name, scan.facts) for scan in scans]
    keys = [(scan.name, [entry.key for entry in scan.entries] + [one.key for one in scan.rejects]) for scan in scans]
    leaks = [*id_leaks(facts), *image_leaks(facts)]
    return Leaks(
        proven=tuple(sorted({*repeated_keys(keys), *(problem for problem, proven in leaks if proven)})),
        likely=tuple(sorted({problem for problem, proven in leaks if not proven})),
        duplicates=(*_duplicates(scans, "person"), *_duplicates(scans, "garment")),
    )


def _duplicates(scans: Sequence[ShardScan], what: str) -> list[Duplicate]:
    paths: defaultdict[int, set[str]] = defaultdict(set)
    for scan in scans:
        images = scan.facts.persons if what == "person" else scan.facts.garments
        for entry, exact in zip(scan.entries, images.exact.tolist(), strict=True):
            paths[exact].add(entry.person_path if what == "person" else entry.product_path)
    return sorted(
        (Duplicate(what, tuple(sorted(names))) for names in paths.values() if len(names) > 1),
        key=lambda duplicate: duplicate.paths,
    )

"""Which split each record belongs to, so that nothing of validation has been seen in training.

The dataset comes in two parts. A look or a garment that both parts hold, or of which both hold nearly the same
image, would leak, and so would what is linked to it: a look to the garments worn in it, a garment to all looks that
wear it. All that is linked with something of `train` is used in `train`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, compress

import numpy as np
from numpy.typing import NDArray

from preprocess.faults import RecordError
from preprocess.planning.thumbnails import Thumb, candidate_matches, near_duplicates, rough_thumb, thumb, upper_thumb
from preprocess.sources import Files, Record
from preprocess.workers import in_processes
from schemas import NearDuplicates, Split

Node = tuple[str, Split, str]
"""("look" or "item", part of the dataset, id)."""

_CHUNK = 64
_CHUNKS_EACH = 4
"""Each worker gets so many chunks or more, so that none waits long for the last."""
_WORTH_A_POOL = 32
"""Images from which on other processes are started for them: that takes as long as four in colour."""


def find_near_duplicates(
    files: Files,
    records: Sequence[Record],
    workers: int,
    progress: Callable[[int, int], None],
    known: NearDuplicates | None = None,
) -> NearDuplicates:
    """Compare every image of `val` with every one of `train`; ``known`` is returned where it is of these images.

    Those whose upper halves look alike roughly are looked at as a whole, and those that still do as closely as it
    takes. ``progress`` is called with (images decoded, in all), and with more in all once it is known how many those
    are. Images that cannot be decoded have no near-duplicate; their records are rejected when they are built.
    """
    parts = {part: sorted(_pictures(records, part)) for part in ("val", "train")}
    inputs = _digest(files, parts["val"], parts["train"])
    if known is not None and known.inputs == inputs:
        return known
    if not all(parts.values()):
        return NearDuplicates(inputs=inputs, pairs=())
    alike, seen = (parts["val"], parts["train"]), 0
    for rough in (upper_thumb, rough_thumb):
        paths = [*chain(*alike)]
        alike = _alike(_thumbs(files, paths, rough, workers, _after(seen, progress)), *alike)
        seen += len(paths)
    thumbs = _thumbs(files, [*chain(*alike)], thumb, workers, _after(seen, progress))
    (ours, mine), (theirs, others) = (_rows(thumbs, paths) for paths in alike)
    found = tuple((ours[here], theirs[there]) for here, there in near_duplicates(mine, others))
    return NearDuplicates(inputs=inputs, pairs=found)


def _after(seen: int, progress: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """Return ``progress`` for what comes after so many images."""
    return lambda done, total: progress(seen + done, seen + total)


def _alike(rough: Mapping[str, Thumb], ours: Sequence[str], theirs: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return those of either that might be a twin of one of the other."""
    (some, mine), (more, others) = (_rows(rough, paths) for paths in (ours, theirs))
    ours_alike, theirs_alike = candidate_matches(mine, others)
    return list(compress(some, ours_alike)), list(compress(more, theirs_alike))


def _rows(thumbs: Mapping[str, Thumb], paths: Sequence[str]) -> tuple[list[str], NDArray[np.uint8]]:
    """Return those of the paths that have a thumbnail, and these, one a row."""
    known = [path for path in paths if path in thumbs]
    return known, np.array([thumbs[path] for path in known], np.uint8)


def keep_together(files: Files, records: Iterable[Record], found: NearDuplicates) -> list[Record]:
    """Return the records, those of `val` that would leak with ``split`` train."""
    given = list(records)
    groups = _Groups()
    by_picture: dict[str, Node] = {}
    for record in given:
        look, item = _nodes(record)
        groups.join(look, item)
        by_picture[record.person_image] = look
        by_picture[record.product_image] = item if record.pairing == "item" else look
    for pair in found.pairs:
        groups.join(*(by_picture[path] for path in pair))
    for one, other in _same_ids(files, given, by_picture):
        groups.join(one, other)
    seen = {groups.of(node) for record in given if record.part == "train" for node in _nodes(record)}
    return [
        replace(record, split="train")
        if record.part == "val" and any(groups.of(node) in seen for node in _nodes(record))
        else record
        for record in given
    ]


def _nodes(record: Record) -> tuple[Node, Node]:
    return ("look", record.part, record.look), ("item", record.part, record.item)


def _pictures(records: Iterable[Record], part: str) -> set[str]:
    of_part = (record for record in records if record.part == part)
    return {path for record in of_part for path in (record.person_image, record.product_image) if path}


def _same_ids(files: Files, records: Sequence[Record], by_picture: dict[str, Node]) -> list[tuple[Node, Node]]:
    """Pair the looks, and those garments, that have one id in both parts.

    Some copies of the dataset number garments anew in each part. So one id is one garment unless both parts have an
    image of it: then the images say whether it is, and they have been compared.
    """
    pictured = {node for path, node in by_picture.items() if path and files.size(path) > 0}
    nodes = {node for record in records for node in _nodes(record)}
    pairs = []
    for what, part, name in sorted(nodes):
        mine, other = (what, part, name), (what, "train", name)
        if part != "val" or other not in nodes:
            continue
        if what == "look" or not {mine, other} <= pictured:
            pairs.append((mine, other))
    return pairs


class _Groups:
    """Sets that grow together (union-find)."""

    def __init__(self) -> None:
        self._parent: dict[Node, Node] = {}

    def of(self, node: Node) -> Node:
        """Return the representative of the node's group."""
        path = [node]
        while (parent := self._parent.get(path[-1], path[-1])) != path[-1]:
            path.append(parent)
        for one in path:
            self._parent[one] = path[-1]
        return path[-1]

    def join(self, one: Node, other: Node) -> None:
        """Make one group of the two nodes' groups."""
        self._parent[self.of(one)] = self.of(other)


def _digest(files: Files, ours: Sequence[str], theirs: Sequence[str]) -> str:
    stamped = [[(path, files.stamp(path)) for path in paths] for paths in (ours, theirs)]
    return hashlib.sha256(json.dumps(stamped).encode()).hexdigest()


def _thumbs(
    files: Files,
    paths: Sequence[str],
    make: Callable[[bytes], Thumb | None],
    workers: int,
    progress: Callable[[int, int], None],
) -> dict[str, Thumb]:
    size = max(1, min(_CHUNK, len(paths) // (_CHUNKS_EACH * workers)))
    work = [(files, make, paths[start : start + size]) for start in range(0, len(paths), size)]
    result: dict[str, Thumb] = {}
    progress(0, len(paths))
    for number, part in enumerate(in_processes(_thumbs_of, work, workers if len(paths) >= _WORTH_A_POOL else 1), 1):
        result.update(part)
        progress(min(len(paths), number * size), len(paths))
    return result


def _thumbs_of(files: Files, make: Callable[[bytes], Thumb | None], paths: Sequence[str]) -> dict[str, Thumb]:
    found: dict[str, Thumb] = {}
    for path in paths:
        try:
            small = make(files.read(path))
        except RecordError:
            continue
        if small is not None:
            found[path] = small
    return found

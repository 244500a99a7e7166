"""Assigns each record to a split, so that no validation person or garment occurs in training.

The dataset has two parts, `train` and `val`. A look or a garment that is in both, or has near-duplicate images in both,
would leak, and so would everything linked to it: a look is linked to the garments worn in it, a garment to all looks
that wear it. Everything linked to something in `train` is used in `train`.
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
from preprocess.planning.thumbnails import (
    Thumb,
    candidate_matches,
    earlier_near_duplicates,
    near_duplicates,
    repeated,
    rough_thumb,
    thumb,
    upper_thumb,
)
from preprocess.sources import Files, Record
from preprocess.workers import in_processes
from schemas import NearDuplicates, Split

Node = tuple[str, Split, str]
"""("look" or "item", part of the dataset, id)."""

_CHUNK = 64
_CHUNKS_EACH = 4
"""Minimum number of chunks per worker, so that none waits long for the last."""
_WORTH_A_POOL = 32
"""Minimum number of images for which worker processes are started, which takes as long as four thumbnails in colour."""


def find_near_duplicates(
    files: Files,
    records: Sequence[Record],
    workers: int,
    progress: Callable[[int, int], None],
    known: NearDuplicates | None = None,
    *,
    within: bool = False,
) -> NearDuplicates:
    """Compare every image of `val` with every one of `train`; ``known`` is returned if it covers the same images.

    With ``within``, the images of each split are compared with each other, too.

    Images whose upper halves match roughly are compared as a whole, and those that still match by their full
    thumbnails. ``progress`` is called with (images decoded, total); the total grows with each of these stages. Images
    that cannot be decoded have no near-duplicate; their records are rejected when they are built.
    """
    parts = {part: sorted(_pictures(records, part)) for part in ("val", "train")}
    inputs = _digest(files, parts["val"], parts["train"])
    if known is not None and known.inputs == inputs and (known.within is not None) == within:
        return known
    inside = _within(files, list(parts.values()), workers, progress) if within else None
    if not all(parts.values()):
        return NearDuplicates(inputs=inputs, pairs=(), within=inside)
    candidates, decoded = (parts["val"], parts["train"]), 0
    for rough in (upper_thumb, rough_thumb):
        paths = [*chain(*candidates)]
        candidates = _candidates(_thumbs(files, paths, rough, workers, _offset(decoded, progress)), *candidates)
        decoded += len(paths)
    thumbs = _thumbs(files, [*chain(*candidates)], thumb, workers, _offset(decoded, progress))
    (ours, mine), (theirs, others) = (_rows(thumbs, paths) for paths in candidates)
    pairs = tuple((ours[here], theirs[there]) for here, there in near_duplicates(mine, others))
    return NearDuplicates(inputs=inputs, pairs=pairs, within=inside)


def _within(
    files: Files, parts: Sequence[Sequence[str]], workers: int, progress: Callable[[int, int], None]
) -> tuple[tuple[str, str], ...]:
    """Return each image with an earlier near-duplicate in its part, and that one."""
    pairs: list[tuple[str, str]] = []
    for paths in parts:
        rough = _thumbs(files, paths, rough_thumb, workers, progress)
        named, rows = _rows(rough, paths)
        candidates = list(compress(named, repeated(rows)))
        named, rows = _rows(_thumbs(files, candidates, thumb, workers, progress), candidates)
        pairs += [(named[here], named[there]) for here, there in earlier_near_duplicates(rows)]
    return tuple(pairs)


def without_near_duplicates(records: Sequence[Record], found: NearDuplicates) -> list[Record]:
    """Return the records without those whose two images are near-duplicates of an earlier record's in their split."""
    if found.within is None:
        return list(records)
    first = dict(found.within)
    seen: set[tuple[str, ...]] = set()
    kept = []
    for record in records:
        images = (first.get(path, path) for path in (record.person_image, record.product_image))
        pair = (record.part, record.garment, record.pairing, *images)
        if pair not in seen or not record.person_image:
            kept.append(record)
        seen.add(pair)
    return kept


def _offset(decoded: int, progress: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """Return ``progress`` with the images that were already decoded added to both numbers."""
    return lambda done, total: progress(decoded + done, decoded + total)


def _candidates(rough: Mapping[str, Thumb], ours: Sequence[str], theirs: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the paths of either side that might be a near-duplicate of one of the other side."""
    (our_paths, mine), (their_paths, others) = (_rows(rough, paths) for paths in (ours, theirs))
    our_matches, their_matches = candidate_matches(mine, others)
    return list(compress(our_paths, our_matches)), list(compress(their_paths, their_matches))


def _rows(thumbs: Mapping[str, Thumb], paths: Sequence[str]) -> tuple[list[str], NDArray[np.uint8]]:
    """Return the paths that have a thumbnail, and the thumbnails, one per row."""
    decodable = [path for path in paths if path in thumbs]
    return decodable, np.array([thumbs[path] for path in decodable], np.uint8)


def keep_together(files: Files, records: Iterable[Record], found: NearDuplicates) -> list[Record]:
    """Return the records with those of `val` that would leak moved to ``split`` train.

    Records for inference are in `val`, whatever they share with `train`: nothing is learnt from them.
    """
    every_record = list(records)
    all_records = [record for record in every_record if record.worn]
    groups = linked(files, all_records, found)
    in_train = {groups.of(node) for record in all_records if record.part == "train" for node in nodes_of(record)}

    def split_of(record: Record) -> Split:
        if not record.worn:
            return "val"
        leaks = record.part == "val" and any(groups.of(node) in in_train for node in nodes_of(record))
        return "train" if leaks else record.part

    return [replace(record, split=split_of(record)) for record in every_record]


def linked(files: Files, records: Sequence[Record], found: NearDuplicates) -> Groups:
    """Return the groups of looks and garments that must be in one split."""
    groups = Groups()
    by_image: dict[str, Node] = {}
    for record in records:
        look, item = nodes_of(record)
        groups.join(look, item)
        by_image[record.person_image] = look
        by_image[record.product_image] = item if record.pairing == "item" else look
    for pair in found.pairs:
        if all(path in by_image for path in pair):  # the images of records for inference are in none
            groups.join(*(by_image[path] for path in pair))
    for one, other in _same_ids(files, records, by_image):
        groups.join(one, other)
    return groups


def nodes_of(record: Record) -> tuple[Node, Node]:
    """Return the look and the garment of a record."""
    return ("look", record.part, record.look), ("item", record.part, record.item)


def _pictures(records: Iterable[Record], part: str) -> set[str]:
    of_part = (record for record in records if record.part == part)
    return {path for record in of_part for path in (record.person_image, record.product_image) if path}


def _same_ids(files: Files, records: Sequence[Record], by_image: dict[str, Node]) -> list[tuple[Node, Node]]:
    """Pair the looks and garments that have the same id in both parts.

    Some copies of the dataset restart the numbering of garments in each part. So if both parts have an image of a
    garment id, the id is ignored: the comparison of the images has decided whether it is the same garment.
    """
    with_image = {node for path, node in by_image.items() if path and files.size(path) > 0}
    nodes = {node for record in records for node in nodes_of(record)}
    pairs = []
    for what, part, name in sorted(nodes):
        mine, other = (what, part, name), (what, "train", name)
        if part != "val" or other not in nodes:
            continue
        if what == "look" or not {mine, other} <= with_image:
            pairs.append((mine, other))
    return pairs


class Groups:
    """Disjoint sets of nodes (union-find)."""

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
        """Merge the groups of the two nodes."""
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
    thumbs: dict[str, Thumb] = {}
    for path in paths:
        try:
            small = make(files.read(path))
        except RecordError:
            continue
        if small is not None:
            thumbs[path] = small
    return thumbs

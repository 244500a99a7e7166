"""Content and faults of a dataset's label files, read on all cores; no image is opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from preprocess.faults import Fault, RecordError, Tally
from preprocess.formats.aihub_json import read_item_parse, read_model_parse, read_pose
from preprocess.sources.aihub import AIHub
from preprocess.sources.aihub_names import Leaf
from preprocess.sources.files import Files
from preprocess.workers import in_processes
from schemas import Split

_CHUNK = 400
_WORTH_A_POOL = 4000
"""Number of files that take as long to read as two processes to start."""

_LABELS: tuple[Leaf, ...] = ("model-pose", "model-parse", "item-pose", "item-parse")
_Work = tuple[Files, Split, Leaf, Sequence[str]]


@dataclass
class Labels:
    """Statistics of label files: views of people and categories of products by split, and faults."""

    read: int = 0
    views: dict[Split, Counter[str]] = field(default_factory=lambda: {"train": Counter(), "val": Counter()})
    categories: dict[Split, Counter[str]] = field(default_factory=lambda: {"train": Counter(), "val": Counter()})
    faults: Tally = field(default_factory=Tally)

    def add(self, other: Labels) -> None:
        """Add the statistics of other files."""
        self.read += other.read
        for mine, its in ((self.views, other.views), (self.categories, other.categories)):
            for split, counts in its.items():
                mine[split].update(counts)
        self.faults.add(other.faults)


def read_labels(data: AIHub, workers: int, progress: Callable[[int, int], None]) -> Labels:
    """Read every label file; ``progress`` is called with (files read, total).

    Raise UserError if a worker was killed.
    """
    work = list(_chunks(data))
    total = sum(len(paths) for _, _, _, paths in work)
    labels = Labels()
    progress(0, total)
    for part in in_processes(_read_chunk, work, workers if total >= _WORTH_A_POOL else 1):
        labels.add(part)
        progress(labels.read, total)
    return labels


def _chunks(data: AIHub) -> Iterator[_Work]:
    for split, part in data.parts.items():
        for leaf in _LABELS:
            paths = list(part.files.get(leaf, {}).values())
            for start in range(0, len(paths), _CHUNK):
                yield data.files, split, leaf, paths[start : start + _CHUNK]


def _read_chunk(files: Files, split: Split, leaf: Leaf, paths: Sequence[str]) -> Labels:
    labels = Labels(read=len(paths))
    for path in paths:
        try:
            faults = _read_one(files.read(path), path, split, leaf, labels)
        except RecordError as error:
            labels.faults.note(error.reason, path)
            continue
        for fault in dict.fromkeys(faults):
            labels.faults.note(fault, path)
    return labels


def _read_one(data: bytes, path: str, split: Split, leaf: Leaf, labels: Labels) -> tuple[Fault, ...]:
    if leaf == "model-parse":
        return read_model_parse(data, path).faults
    if leaf == "item-parse":
        return read_item_parse(data, path).faults
    pose = read_pose(data, path)
    if not pose.points.any():
        labels.faults.note(Fault.NO_PERSON_POSE if leaf == "model-pose" else Fault.NO_PRODUCT_POSE, path)
    if leaf == "model-pose":
        labels.views[split][pose.view or "unknown"] += 1
    else:
        labels.categories[split][pose.category or "unknown"] += 1
    return pose.faults

"""`prep inspect` for datasets with lists of pairs: VITON-HD and Dress Code. Only the headers of images are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from preprocess.faults import Fault, RecordError, Tally
from preprocess.formats.images import is_cut_short, read_header
from preprocess.formats.keypoint_files import read_keypoints
from preprocess.formats.label_maps import PixelParse, read_label_map, read_mask
from preprocess.inspection.dataset.overview import FILE_FAULTS
from preprocess.label_tables import Pixelwise
from preprocess.loading.label_map_subjects import GRIDS, check_fit
from preprocess.planning.datasets import open_listed
from preprocess.sources.files import Files
from preprocess.sources.listed import KINDS, Kind, Listed
from preprocess.workers import in_processes

_CHUNK = 50
_WORTH_A_POOL = 400
"""Number of pairs that take as long to inspect as two processes to start."""

LISTED_FAULTS = (
    Fault.MISSING_PERSON_IMAGE,
    Fault.MISSING_PERSON_POSE,
    Fault.MISSING_PERSON_PARSE,
    Fault.MISSING_PRODUCT_IMAGE,
    Fault.MISSING_PRODUCT_PARSE,
    Fault.PICTURE_WITHOUT_PAIR,
    Fault.LABEL_WITHOUT_PICTURE,
    Fault.UNPAIRED_ROW,
    Fault.WORN_UNKNOWN,
    Fault.CONFLICTING_PAIRS,
    Fault.REPEATED_PAIR,
    Fault.BAD_PAIR,
    Fault.BAD_IMAGE,
    Fault.COLOUR_PARSE,
    Fault.BAD_PARSE,
    Fault.EMPTY_PARSE,
    Fault.SIZE_MISMATCH,
    Fault.BAD_POSE,
    Fault.NO_PERSON_POSE,
    Fault.FOREIGN_POSE,
    Fault.SEVERAL_PEOPLE,
    Fault.SWAPPED_SIDES,
    Fault.DOUBTFUL_VIEW,
    Fault.EXIF_TURNED,
    Fault.MPO_IMAGE,
    Fault.CMYK_IMAGE,
    Fault.SIXTEEN_BIT_IMAGE,
    Fault.TRANSPARENT_IMAGE,
    Fault.UNUSUAL_PIXELS,
    Fault.CORRUPT_IMAGE,
    Fault.OLDER_DUPLICATE,
    Fault.BAD_NAME,
    *FILE_FAULTS,
)
"""Faults that a report can hold, in its order."""


_MISSING: dict[Kind, Fault] = {
    "person-image": Fault.MISSING_PERSON_IMAGE,
    "person-pose": Fault.MISSING_PERSON_POSE,
    "person-parse": Fault.MISSING_PERSON_PARSE,
    "product-image": Fault.MISSING_PRODUCT_IMAGE,
    "product-parse": Fault.MISSING_PRODUCT_PARSE,
}


@dataclass(frozen=True)
class ListedReport:
    """A whole dataset: files of each kind by group (a split's folder or a category), pairs by split, and faults."""

    src: str
    source: str
    labels: Pixelwise
    files: dict[str, dict[str, int]]
    pairs: dict[str, dict[str, int]]
    """Split → garment → number of pairs; `whole` counts those that have all their files"""
    faults: Tally

    def document(self) -> dict[str, Any]:
        """Return the report as a JSON-ready object; `faults` lists every possible fault, found or not."""
        return {
            "src": self.src,
            "source": self.source,
            "labels": self.labels,
            "files": self.files,
            "pairs": self.pairs,
            "faults": self.faults.document(LISTED_FAULTS),
        }


def inspect_listed(
    files: Files, source: Literal["viton-hd", "dress-code"], workers: int, progress: Callable[[int, int], None]
) -> ListedReport:
    """Inspect a dataset with ``workers`` processes; ``progress`` is called with (people and garments done, total).

    Raise UserError if the layout is another one.
    """
    data = open_listed(files, source)
    faults = Tally()
    faults.add(data.found)
    _join(data, faults)
    subjects = _subjects(data)
    progress(0, len(subjects))
    work = [(files, data.labels, subjects[start : start + _CHUNK]) for start in range(0, len(subjects), _CHUNK)]
    done = 0
    for part in in_processes(_inspect_chunk, work, workers if len(subjects) >= _WORTH_A_POOL else 1):
        faults.add(part)
        done = min(len(subjects), done + _CHUNK)
        progress(done, len(subjects))
    groups = sorted({group for paths in data.paths.values() for group, _ in paths})
    return ListedReport(
        src=str(files.src),
        source=source,
        labels=data.labels,
        files={group: {kind: _count(data, kind, group) for kind in data.needs} for group in groups},
        pairs=_pairs(data),
        faults=faults,
    )


def _count(data: Listed, kind: Kind, group: str) -> int:
    return sum(one == group for one, _ in data.paths[kind])


def _pairs(data: Listed) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {"train": Counter(), "val": Counter()}
    for pair in data.pairs.values():
        counts[pair.split][pair.garment] += 1
        counts[pair.split]["whole"] += all(_paths(data, pair.group, pair.person, pair.product).values())
    return {split: dict(found) for split, found in counts.items()}


def _paths(data: Listed, group: str, person: str, product: str) -> dict[Kind, str]:
    stems = {kind: person if kind.startswith("person") else product for kind in data.needs}
    return {kind: data.path(kind, group, stem) for kind, stem in stems.items()}


def _join(data: Listed, faults: Tally) -> None:
    """Note missing files of pairs, and files that no pair refers to."""
    named = set()
    for pair in data.pairs.values():
        named.add((pair.group, pair.person))
        for kind, path in _paths(data, pair.group, pair.person, pair.product).items():
            if not path:
                faults.note(_MISSING[kind], f"{pair.look}_{pair.frame}")
    pictures = data.paths["person-image"]
    for place, path in pictures.items():
        if place not in named:
            faults.note(Fault.PICTURE_WITHOUT_PAIR, path)
    for kind in ("person-pose", "person-parse"):
        for place, path in data.paths[kind].items():
            if place not in pictures:
                faults.note(Fault.LABEL_WITHOUT_PICTURE, path)


def _subjects(data: Listed) -> list[dict[Kind, str]]:
    """List the files of each person and each garment that occur in a pair, each once."""
    people = {(pair.group, pair.person, "person") for pair in data.pairs.values()}
    products = {(pair.group, pair.product, "product") for pair in data.pairs.values()}
    return [
        {kind: data.path(kind, group, stem) for kind in KINDS if kind.startswith(what)}
        for group, stem, what in sorted(people | products)
    ]


def _inspect_chunk(files: Files, labels: Pixelwise, subjects: Sequence[dict[Kind, str]]) -> Tally:
    faults = Tally()
    for paths in subjects:
        for fault, path in _faults(files, labels, paths):
            faults.note(fault, path)
    return faults


def _faults(files: Files, labels: Pixelwise, paths: dict[Kind, str]) -> Iterator[tuple[Fault, str]]:
    image = paths.get("person-image", "") or paths.get("product-image", "")
    parse_path = paths.get("person-parse", "") or paths.get("product-parse", "")
    pose_path = paths.get("person-pose", "")
    size: tuple[int, int] | None = None
    parse: PixelParse | None = None
    if image:
        try:
            data = files.read(image)
            header = None if is_cut_short(data) else read_header(data)
            if header is None:
                yield Fault.BAD_IMAGE, image
            else:
                size = header.size
                yield from ((fault, image) for fault in header.odd)
        except RecordError as error:
            yield error.reason, error.path
    if parse_path:
        try:
            data = files.read(parse_path)
            parse = read_label_map(data, parse_path, labels) if "person-parse" in paths else read_mask(data, parse_path)
        except RecordError as error:
            yield error.reason, error.path
    if size and parse and parse.image_size != size:
        yield Fault.SIZE_MISMATCH, parse_path
        return
    if pose_path:
        try:
            pose = read_keypoints(files.read(pose_path), pose_path, GRIDS[labels])
            yield from ((fault, pose_path) for fault in dict.fromkeys(pose.faults))
            if not pose.points.any():
                yield Fault.NO_PERSON_POSE, pose_path
            elif parse is not None:
                check_fit(pose.scaled(parse.image_size), parse, pose_path)
        except RecordError as error:
            yield error.reason, error.path

"""`prep inspect` for datasets with lists of pairs: VITON-HD and Dress Code.

Of images only the headers are read, and of people's images an eighth of the size, to see whether labels are turned;
product photographs with masks are decoded at a quarter, to hold the masks against them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from preprocess.faults import Fault, RecordError, Tally
from preprocess.formats.images import Header, Pixels, decode, is_cut_short, read_header, why_without_header
from preprocess.formats.keypoint_files import read_skeletons
from preprocess.formats.label_maps import Numbers, parse_of, read_numbers
from preprocess.formats.stored_masks import read_stored_mask
from preprocess.inspection.dataset.overview import FILE_FAULTS
from preprocess.label_tables import Labels, Pixelwise
from preprocess.loading.garment_masks import garment_mask_of
from preprocess.loading.label_evidence import Decision, Person, decide_table
from preprocess.loading.label_map_subjects import DRESS_CODE_GRID
from preprocess.loading.matching import Evidence, match
from preprocess.planning.datasets import open_listed
from preprocess.sources.files import Files
from preprocess.sources.listed import KINDS, Kind, Listed
from preprocess.workers import in_processes

_Grid = tuple[int, int] | None
_CHUNK = 50
_QUARTER = 4
_LARGE = 512
"""Shorter side in pixels from which a product photograph is compared at a quarter of its size."""
_WORTH_A_POOL = 400
"""Number of people and garments that take as long to inspect as two processes to start."""

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
    Fault.WRONG_MASK,
    Fault.RECOMPUTED_MASK,
    Fault.TORN_MASK,
    Fault.INVERTED_MASK,
    Fault.MASK_CHANNEL,
    Fault.GREY_MASK,
    Fault.LOOSE_MASK,
    Fault.SIZE_MISMATCH,
    Fault.BAD_POSE,
    Fault.NO_PERSON_POSE,
    Fault.FOREIGN_POSE,
    Fault.SEVERAL_PEOPLE,
    Fault.OTHER_GRID,
    Fault.NORMALISED_LANDMARKS,
    Fault.OTHER_TABLE,
    Fault.TURNED_LABELS,
    Fault.TURNED_IMAGE,
    Fault.DOUBTFUL_LABELS,
    Fault.AVERAGED_PARSE,
    Fault.BLURRED_PARSE,
    Fault.PAINTED_PARSE,
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
    labels: Labels
    agreement: float
    """How well the poses agree with the label maps by that table, in [-1, 1], in the sample that decided it"""
    people_compared: int
    """Number of people in that sample; 0 if the table was given, or nothing could be compared"""
    files: dict[str, dict[str, int]]
    pairs: dict[str, dict[str, int]]
    """Split → garment → number of pairs; `whole` counts those that have all their files"""
    faults: Tally
    known: tuple[Fault, ...] = LISTED_FAULTS
    """Faults that can be in it"""

    def document(self) -> dict[str, Any]:
        """Return the report as a JSON-ready object; `faults` lists every possible fault, found or not."""
        return {
            "src": self.src,
            "source": self.source,
            "labels": self.labels,
            "agreement": self.agreement,
            "people_compared": self.people_compared,
            "files": self.files,
            "pairs": self.pairs,
            "faults": self.faults.document(self.known),
        }


def inspect_listed(
    files: Files,
    source: Literal["viton-hd", "dress-code"],
    workers: int,
    progress: Callable[[int, int], None],
    labels: Pixelwise | None = None,
) -> ListedReport:
    """Inspect a dataset with ``workers`` processes; ``progress`` is called with (people and garments done, total).

    ``labels`` is the table of the label maps, None to infer it. Raise UserError if the layout is another one,
    or several tables fit.
    """
    data = open_listed(files, source)
    faults = Tally()
    faults.add(data.found)
    _join(data, faults)
    subjects = _subjects(data)
    progress(0, len(subjects))
    grid = DRESS_CODE_GRID if source == "dress-code" else None
    decision = Decision(labels) if labels else decide_table(files, _people(subjects, grid), data.labels)
    add_faults(faults, _inspect_chunk, (files, decision.labels, grid), subjects, workers, progress)
    groups = sorted({group for paths in data.paths.values() for group, _ in paths})
    return ListedReport(
        src=files.given,
        source=source,
        labels=decision.labels,
        agreement=round(decision.mean, 3),
        people_compared=decision.people,
        files={group: {kind: _count(data, kind, group) for kind in data.needs} for group in groups},
        pairs=_pairs(data),
        faults=faults,
    )


def add_faults(
    faults: Tally,
    inspect_chunk: Callable[..., Tally],
    common: tuple[Any, ...],
    subjects: Sequence[Any],
    workers: int,
    progress: Callable[[int, int], None],
) -> None:
    """Add what ``inspect_chunk(*common, some subjects)`` finds in all ``subjects``, with ``workers`` processes."""
    chunks = (subjects[start : start + _CHUNK] for start in range(0, len(subjects), _CHUNK))
    work = [(*common, chunk) for chunk in chunks]
    done = 0
    for part in in_processes(inspect_chunk, work, workers if len(subjects) >= _WORTH_A_POOL else 1):
        faults.add(part)
        done = min(len(subjects), done + _CHUNK)
        progress(done, len(subjects))


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
    images = data.paths["person-image"]
    for place, path in images.items():
        if place not in named:
            faults.note(Fault.PICTURE_WITHOUT_PAIR, path)
    for kind in ("person-pose", "person-parse"):
        for place, path in data.paths[kind].items():
            if place not in images:
                faults.note(Fault.LABEL_WITHOUT_PICTURE, path)


def _subjects(data: Listed) -> list[dict[Kind, str]]:
    """List the files of each person and each garment that occur in a pair, each once."""
    people = {(pair.group, pair.person, "person") for pair in data.pairs.values()}
    products = {(pair.group, pair.product, "product") for pair in data.pairs.values()}
    return [
        {kind: data.path(kind, group, stem) for kind in KINDS if kind.startswith(what)}
        for group, stem, what in sorted(people | products)
    ]


def _people(subjects: Sequence[dict[Kind, str]], grid: _Grid) -> list[Person]:
    return [Person(paths["person-pose"], paths["person-parse"], grid) for paths in subjects if "person-pose" in paths]


def _inspect_chunk(files: Files, labels: Pixelwise, grid: _Grid, subjects: Sequence[dict[Kind, str]]) -> Tally:
    faults = Tally()
    for paths in subjects:
        for fault, path in subject_faults(files, labels, grid, paths):
            faults.note(fault, path)
    return faults


def _mask_faults(
    files: Files, data: bytes, path: str, image: str, size: tuple[int, int]
) -> Iterator[tuple[Fault, str]]:  # fmt: skip
    """Hold a garment's mask against its photograph, decoded at a quarter of its size.

    A mask that is not sound there is looked at again in the whole photograph, as `build-shards` does.
    """
    stored = read_stored_mask(data, path)
    if stored.size != size:
        yield Fault.SIZE_MISMATCH, path
        return
    photograph = files.read(image)
    if min(size) >= _LARGE:
        with suppress(RecordError):
            small, _ = decode(photograph, image, size, _QUARTER)
            if not garment_mask_of(stored, small, path).faults:
                return
    pixels, _ = decode(photograph, image, size)
    yield from ((fault, path) for fault in garment_mask_of(stored, pixels, path).faults)


def subject_faults(
    files: Files, labels: Pixelwise, grid: _Grid, paths: Mapping[Kind, str]
) -> Iterator[tuple[Fault, str]]:  # fmt: skip
    """Yield the faults of a person's or a garment's files, each with its path; absent ones have no path."""
    data, size, found = b"", None, None
    try:
        data, header = yield from _header(files, paths.get("person-image", "") or paths.get("product-image", ""))
        size = header.size if header else None
        if path := paths.get("product-parse", ""):
            stored = files.read(path)
            if size:
                yield from _mask_faults(files, stored, path, paths["product-image"], size)
        if path := paths.get("person-parse", ""):
            found = read_numbers(files.read(path), path)
            yield from ((fault, path) for fault in found.faults)
            parse_of(found, path, labels)
    except RecordError as error:
        yield error.reason, error.path
        found = None
    if path := paths.get("person-pose", ""):
        try:
            yield from _pose_faults(files, labels, grid, paths, found, size, data)
        except RecordError as error:
            yield error.reason, error.path


def _header(files: Files, path: str) -> Generator[tuple[Fault, str], None, tuple[bytes, Header | None]]:
    """Yield the faults of an image's header; return its bytes and its header."""
    if not path:
        return b"", None
    data = files.read(path)
    header = None if is_cut_short(data) else read_header(data)
    if header is None:
        yield why_without_header(data), path
    else:
        yield from ((fault, path) for fault in header.odd)
    return data, header


def _pose_faults(
    files: Files,
    labels: Pixelwise,
    grid: _Grid,
    paths: Mapping[Kind, str],
    found: Numbers | None,
    size: _Grid,
    data: bytes,
) -> Iterator[tuple[Fault, str]]:
    """Yield what is wrong with a pose, alone and with its label map and image."""
    pose_path, parse_path = paths["person-pose"], paths["person-parse"]
    skeletons = read_skeletons(files.read(pose_path), pose_path)
    if not any(points.any() for points in skeletons.people):
        yield Fault.NO_PERSON_POSE, pose_path
        return
    if found is None:
        yield from ((fault, pose_path) for fault in skeletons.faults)
        if len(skeletons.people) > 1:
            yield Fault.SEVERAL_PEOPLE, pose_path
        return
    height, width = found.numbers.shape
    evidence = Evidence(found.numbers, skeletons, labels, grid, pose_path, parse_path)
    pixels: Pixels | None = decode(data, paths["person-image"], None, 4)[0] if size else None
    matched = match(evidence, size or (width, height), pixels)
    of_map = (Fault.TURNED_LABELS, Fault.TURNED_IMAGE, Fault.DOUBTFUL_LABELS)
    yield from ((fault, parse_path if fault in of_map else pose_path) for fault in dict.fromkeys(matched.faults))

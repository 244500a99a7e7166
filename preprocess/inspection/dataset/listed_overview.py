"""`prep inspect` of data sets with lists of pairs, VITON-HD and Dress Code. Of pictures only the headers are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from preprocess.faults import RecordError
from preprocess.formats.image_headers import read_header
from preprocess.formats.images import is_cut_short
from preprocess.formats.keypoint_files import read_keypoints
from preprocess.formats.label_maps import PixelParse, read_label_map, read_mask
from preprocess.inspection.dataset.overview import FAULTS
from preprocess.label_tables import Pixelwise
from preprocess.loading.label_map_subjects import GRIDS, check_fit
from preprocess.planning.datasets import open_listed
from preprocess.processes import in_processes
from preprocess.sources.counts import Tally
from preprocess.sources.files import Files
from preprocess.sources.listed import KINDS, Kind, Listed

_CHUNK = 50
_WORTH_A_POOL = 400
"""Starting two processes takes as long as looking at this many pairs."""

LISTED_FAULTS: dict[str, str] = {
    "missing-person-image": "a pair names a picture that is not there; rejected",
    "missing-person-pose": "a person without keypoints; rejected, they have to be estimated",
    "missing-person-parse": "a person without a label map; rejected",
    "missing-product-image": "a pair names a garment that is not there; rejected",
    "missing-product-parse": "a garment without a mask; rejected",
    "picture-without-pair": "a person's picture that no list names",
    "label-without-picture": "keypoints or a label map without their picture",
    "unpaired-row": "a list pairs somebody with another garment; the own one is taken",
    "repeated-pair": "a row that its list has twice; taken once",
    "bad-pair": "a row that is no pair of names; left out",
    "bad-image": "a picture that is cut short or none; rejected",
    "colour-parse": "a painted parse, whose numbers are no labels; left out or rejected",
    "bad-parse": "cannot be decoded, or a label that the table has not; rejected",
    "empty-parse": "a label map or a mask that holds nothing; rejected",
    "size-mismatch": "a label map or a mask of another size than its picture; rejected",
    "bad-pose": "not JSON, or not 25, 18 or 17 keypoints; rejected",
    "no-person-pose": "keypoints of nobody; rejected",
    "foreign-pose": "keypoints beside the person: another picture's or size's; rejected",
    "several-people": "keypoints of several people; the most complete ones are taken",
    "swapped-sides": FAULTS["swapped-sides"],
    "doubtful-view": FAULTS["doubtful-view"],
    "exif-turned": "stored on its side, with an EXIF orientation; turned upright",
    "mpo-image": "several pictures in one file; the first is read",
    "cmyk-image": "in print colours; converted",
    "sixteen-bit-image": "16 bits a channel; the upper 8 are read",
    **{
        code: FAULTS[code]
        for code in (
            "older-duplicate", "bad-name", "utf-8-bom", "cp949-text", "too-large", "outside", "unreadable-file",
            "encrypted-member", "unsafe-name", "linked-member", "linked-folder", "not-a-file", "nested-zip",
            "repeated-member",
        )
    },
}  # fmt: skip
"""Every code that a report can hold, with what it means."""


@dataclass(frozen=True)
class ListedReport:
    """A whole data set: files of each kind by group (a split's folder or a category), pairs by split, and faults."""

    src: str
    source: str
    labels: Pixelwise
    files: dict[str, dict[str, int]]
    pairs: dict[str, dict[str, int]]
    """Split → garment → pairs; `whole` are those that have all their files"""
    faults: Tally

    def document(self) -> dict[str, Any]:
        """Return the report as a JSON-ready object; `faults` names every known code, found or not."""
        counts, examples = self.faults.counts, self.faults.examples
        return {
            "src": self.src,
            "source": self.source,
            "labels": self.labels,
            "files": self.files,
            "pairs": self.pairs,
            "faults": {
                code: {"count": counts[code], "examples": examples.get(code, [])}
                for code in (LISTED_FAULTS | dict(counts))
            },
        }


def inspect_listed(
    files: Files, source: Literal["viton-hd", "dress-code"], workers: int, progress: Callable[[int, int], None]
) -> ListedReport:
    """Inspect a data set with so many processes; ``progress`` is called with (pairs looked at, in all).

    Raise UserError where the layout is another one.
    """
    data = open_listed(files, source)
    faults = Tally()
    faults.add(data.found)
    _join(data, faults)
    things = _things(data)
    progress(0, len(things))
    work = [(files, data.labels, things[start : start + _CHUNK]) for start in range(0, len(things), _CHUNK)]
    done = 0
    for part in in_processes(_look_at, work, workers if len(things) >= _WORTH_A_POOL else 1):
        faults.add(part)
        done = min(len(things), done + _CHUNK)
        progress(done, len(things))
    groups = sorted({group for paths in data.paths.values() for group, _ in paths})
    return ListedReport(
        src=str(files.root),
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
    """Note what the pairs lack, and what no pair names."""
    named = set()
    for pair in data.pairs.values():
        named.add((pair.group, pair.person))
        for kind, path in _paths(data, pair.group, pair.person, pair.product).items():
            if not path:
                faults.note(f"missing-{kind}", f"{pair.look}_{pair.frame}")
    pictures = data.paths["person-image"]
    for place, path in pictures.items():
        if place not in named:
            faults.note("picture-without-pair", path)
    for kind in ("person-pose", "person-parse"):
        for place, path in data.paths[kind].items():
            if place not in pictures:
                faults.note("label-without-picture", path)


def _things(data: Listed) -> list[dict[Kind, str]]:
    """List the files of each person and of each garment that a pair names, each once."""
    people = {(pair.group, pair.person, "person") for pair in data.pairs.values()}
    products = {(pair.group, pair.product, "product") for pair in data.pairs.values()}
    return [
        {kind: data.path(kind, group, stem) for kind in KINDS if kind.startswith(what)}
        for group, stem, what in sorted(people | products)
    ]


def _look_at(files: Files, labels: Pixelwise, things: Sequence[dict[Kind, str]]) -> Tally:
    faults = Tally()
    for paths in things:
        for code, path in _faults(files, labels, paths):
            faults.note(code, path)
    return faults


def _faults(files: Files, labels: Pixelwise, paths: dict[Kind, str]) -> Iterator[tuple[str, str]]:
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
                yield "bad-image", image
            else:
                size = header.size
                yield from ((code, image) for code in header.odd)
        except RecordError as error:
            yield error.reason, error.path
    if parse_path:
        try:
            data = files.read(parse_path)
            parse = read_label_map(data, parse_path, labels) if "person-parse" in paths else read_mask(data, parse_path)
        except RecordError as error:
            yield error.reason, error.path
    if size and parse and parse.image_size != size:
        yield "size-mismatch", parse_path
        return
    if pose_path:
        try:
            pose = read_keypoints(files.read(pose_path), pose_path, GRIDS[labels])
            yield from ((code, pose_path) for code in dict.fromkeys(pose.mended))
            if not pose.points.any():
                yield "no-person-pose", pose_path
            elif parse is not None:
                check_fit(pose.scaled(parse.image_size), parse, pose_path)
        except RecordError as error:
            yield error.reason, error.path

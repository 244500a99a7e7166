"""Estimates the labels that a dataset lacks, into a folder of their own with the dataset's layout.

VITON-HD's training images, as they are often shared, have no poses; others lack label maps or garment masks. Labels
that a dataset has are never estimated, and with several people in an image they decide for whom the others are
estimated. The folder holds only the new labels; `prep build-shards --filled` reads it as part of the dataset.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from common.atomic import write_atomically
from common.errors import UserError
from preprocess.annotation.estimators.choice import Need
from preprocess.annotation.estimators.protocols import BodyPose, Estimators
from preprocess.annotation.filled_labels import (
    LabelKind,
    coco_18_document,
    file_of,
    numbers_of,
    openpose_document,
)
from preprocess.annotation.labels.confidence import Estimate
from preprocess.annotation.labels.garment_labels import estimate_garment
from preprocess.annotation.labels.given_labels import GivenPerson
from preprocess.annotation.labels.parsed_person import as_skeletons
from preprocess.annotation.labels.person_labels import estimate_person
from preprocess.annotation.review import REVIEW
from preprocess.annotation.store import as_json
from preprocess.annotation.written_files import csv_bytes, make_folder, parse_of, pose_of
from preprocess.conditioning.regions import AnyParse, label_map, label_of
from preprocess.faults import RecordError
from preprocess.formats.aihub_json import read_model_parse, read_pose
from preprocess.formats.images import Pixels, decode, encode_png
from preprocess.formats.keypoint_files import Skeletons, read_skeletons
from preprocess.formats.label_maps import read_numbers
from preprocess.label_tables import AIHUB_PIXELS, Pixelwise
from preprocess.planning.datasets import Dataset, open_dataset
from preprocess.sources import Files, Record
from preprocess.sources.listed import Listed
from preprocess.synthetic.drawing.annotated import BACKGROUND, MODEL_REGIONS, Drawing
from schemas import Crop, Garment, Source

_BATCH: Final = 8
"""Images in memory, and per batch of pose estimation."""
_DRESS_CODE_GRID: Final = (384, 512)


@dataclass(frozen=True)
class Gap:
    """An image of a dataset and what it lacks."""

    image: str
    lacks: frozenset[LabelKind]
    garment: Garment
    pose: str = ""
    """The person's pose file, "" if there is none; likewise the label map"""
    parse: str = ""

    @property
    def needs(self) -> set[Need]:
        """What has to be estimated."""
        if "product-parse" in self.lacks or "product-pose" in self.lacks:
            return {"garments"}
        wanted: dict[Need, bool] = {
            "pose": not self.pose,
            "people": "person-parse" in self.lacks,
        }
        return {need for need, is_wanted in wanted.items() if is_wanted}


@dataclass
class Filled:
    """Result of a run."""

    written: int = 0
    """Label files"""
    kept: int = 0
    """Images whose labels an earlier run had estimated"""
    rejected: dict[str, str] = field(default_factory=dict)
    """Image → fault and detail"""
    doubtful: dict[str, str] = field(default_factory=dict)
    """Image → what to review"""
    review: Path = Path()


@dataclass(frozen=True)
class _Run:
    files: Files
    out: Path
    source: Source
    table: Pixelwise
    estimators: Callable[[], Estimators]
    least: float
    strict: bool


def fill_dataset(
    files: Files,
    out: Path,
    source: Source,
    load: Callable[[frozenset[Need]], Estimators],
    progress: Callable[[int, int], None],
    *,
    least: float,
    strict: bool,
    labels: Pixelwise | None = None,
) -> Filled:
    """Estimate what the images of a dataset's pairs lack and write it into ``out``; the dataset is not changed.

    ``labels`` is the table of the dataset's label maps and of those that are written, None for the layout's own table.
    A second run estimates only what is still missing. ``load`` is called at most once, with what is needed.

    Raise UserError if nothing is lacking, or for missing weights, or a folder that is not writable.
    """
    make_folder(out)
    data = open_dataset(files, source, unpaired=True)
    gaps = list(find_gaps(data))
    if not gaps:
        raise UserError(f"--src {files.given}: no image of its pairs lacks a label; build its shards as it is")
    result = Filled(review=out / REVIEW)
    open_gaps = [gap for gap in gaps if not all((out / path).is_file() for path in _paths(gap, source).values())]
    result.kept = len(gaps) - len(open_gaps)
    needs = frozenset[Need]().union(*(gap.needs for gap in open_gaps))
    table = labels or (data.labels if isinstance(data, Listed) else AIHUB_PIXELS)
    run = _Run(files, out, source, table, cache(lambda: load(needs)), least, strict)
    progress(0, len(open_gaps))
    for start in range(0, len(open_gaps), _BATCH):
        _fill(run, open_gaps[start : start + _BATCH], result)
        progress(min(start + _BATCH, len(open_gaps)), len(open_gaps))
    _write_review(result)
    return result


def find_gaps(data: Dataset) -> Iterator[Gap]:
    """Yield every image of the dataset's pairs that lacks a label; each once, people before garments."""
    people: dict[str, Gap] = {}
    garments: dict[str, Gap] = {}
    for record in data.records("all", "item", "all"):
        if record.person_image and (lacks := _lacking_of_person(record)):
            people.setdefault(
                record.person_image,
                Gap(record.person_image, lacks, record.garment, record.person_pose, record.person_parse),
            )
        if record.product_image and (lacks := _lacking_of_product(record, data.source)):
            garments.setdefault(record.product_image, Gap(record.product_image, lacks, record.garment))
    yield from people.values()
    yield from garments.values()


def _lacking_of_person(record: Record) -> frozenset[LabelKind]:
    lacking: dict[LabelKind, str] = {"person-pose": record.person_pose, "person-parse": record.person_parse}
    return frozenset(kind for kind, path in lacking.items() if not path)


def _lacking_of_product(record: Record, source: Source) -> frozenset[LabelKind]:
    lacking: dict[LabelKind, str] = {}
    if source != "dress-code":  # whose masks are made of the photographs, as no copy has any
        lacking["product-parse"] = record.product_parse
    if source == "aihub":
        lacking["product-pose"] = record.product_pose
    return frozenset(kind for kind, path in lacking.items() if not path)


def _paths(gap: Gap, source: Source) -> dict[LabelKind, str]:
    return {kind: file_of(source, gap.image, kind) for kind in sorted(gap.lacks)}


def _fill(run: _Run, gaps: Sequence[Gap], result: Filled) -> None:
    images: dict[Gap, Pixels] = {}
    for gap in gaps:
        try:
            images[gap], _ = decode(run.files.read(gap.image), gap.image, None)
        except RecordError as error:
            result.rejected[gap.image] = f"{error.reason}: {error.detail}"
    posed = [gap for gap in images if "pose" in gap.needs]
    poses = run.estimators().pose.poses([images[gap] for gap in posed]) if posed else []
    poses_of = dict(zip(posed, poses, strict=True))
    for gap, image in images.items():
        try:
            estimate = _estimate(run, gap, image, poses_of.get(gap, []))
        except RecordError as error:
            result.rejected[gap.image] = f"{error.reason}: {error.detail}"
            continue
        if estimate.notes:
            result.doubtful[gap.image] = "; ".join(estimate.notes)
        for kind, path in _paths(gap, run.source).items():
            if not (run.out / path).is_file():  # it may have been corrected
                (run.out / path).parent.mkdir(parents=True, exist_ok=True)
                write_atomically(run.out / path, _encoded(run, kind, gap, estimate.drawing))
                result.written += 1


def _estimate(run: _Run, gap: Gap, image: Pixels, people: Sequence[BodyPose]) -> Estimate:
    if "garments" in gap.needs:
        return estimate_garment(image, gap.garment, run.estimators().garments, least=run.least, name=gap.image)
    masks = run.estimators().people if "people" in gap.needs else None
    given = _given(run, gap, image)
    return estimate_person(image, people, masks, least=run.least, strict=run.strict, name=gap.image, given=given)


def _given(run: _Run, gap: Gap, image: Pixels) -> GivenPerson:
    """Return the labels that the dataset has of a person. Raise RecordError if they cannot be read."""
    skeletons: Skeletons | None = None
    numbers: NDArray[np.uint8] | None = None
    if run.source == "aihub":
        if gap.pose:
            points = read_pose(run.files.read(gap.pose), gap.pose).scaled(_size(image)).points
            skeletons = as_skeletons([points * (1, 1, 2)])  # AI-Hub's 2 is a visible joint
        if gap.parse:
            numbers = _painted(read_model_parse(run.files.read(gap.parse), gap.parse), image)
    else:
        if gap.pose:
            skeletons = _in_pixels(read_skeletons(run.files.read(gap.pose), gap.pose), run.source, image)
        if gap.parse:
            numbers = read_numbers(run.files.read(gap.parse), gap.parse).numbers
    return GivenPerson(skeletons, numbers, run.table, gap.pose or gap.image, gap.parse)


def _size(image: Pixels) -> tuple[int, int]:
    return image.shape[1], image.shape[0]


def _in_pixels(skeletons: Skeletons, source: Source, image: Pixels) -> Skeletons:
    size = _size(image)
    usual = _DRESS_CODE_GRID if source == "dress-code" else size
    canvas = (1, 1) if skeletons.fractions else skeletons.canvas or usual
    scale = np.array([size[0] / canvas[0], size[1] / canvas[1], 1.0])
    return Skeletons(tuple(points * scale for points in skeletons.people), None, fractions=False)


def _painted(parse: AnyParse, image: Pixels) -> NDArray[np.uint8]:
    """Return the regions of polygons as a label map of the image's size."""
    width, height = _size(image)
    labels = label_map(parse, Crop(x=0, y=0, side=max(width, height)))[:height, :width]
    numbers = np.zeros(256, np.uint8)
    for number, name in enumerate(MODEL_REGIONS, 1):
        numbers[label_of(name)] = number
    return np.asarray(cv2.LUT(np.ascontiguousarray(labels), numbers), np.uint8)


def _encoded(run: _Run, kind: LabelKind, gap: Gap, drawing: Drawing) -> bytes:
    name = gap.image.rpartition("/")[2]
    if run.source == "aihub":
        return _aihub(kind, gap, drawing, name)
    if kind == "person-pose" and run.source == "dress-code":
        height, width = drawing.labels.shape
        scale = (_DRESS_CODE_GRID[0] / width, _DRESS_CODE_GRID[1] / height, 1.0)
        return json.dumps(coco_18_document(drawing.keypoints * scale)).encode()
    if kind == "person-pose":
        return json.dumps(openpose_document(drawing.keypoints)).encode()
    if kind == "person-parse":
        return encode_png(numbers_of(drawing.labels, run.table))
    return encode_png((drawing.labels != BACKGROUND).astype(np.uint8) * np.uint8(255))


def _aihub(kind: LabelKind, gap: Gap, drawing: Drawing, name: str) -> bytes:
    shown = None if kind in ("person-pose", "person-parse") else gap.garment
    if kind in ("person-parse", "product-parse"):
        return as_json(parse_of(drawing, name, shown), "estimated")
    return as_json(pose_of(drawing, name, shown), "estimated" if shown is None else "derived")


def _write_review(result: Filled) -> None:
    rejected = [(image, "rejected", why) for image, why in result.rejected.items()]
    doubtful = [(image, "look", why) for image, why in result.doubtful.items()]
    write_atomically(result.review, csv_bytes(("picture", "state", "why"), [*rejected, *doubtful]))

"""A whole run: reads the pairs, annotates new photographs, writes AI-Hub's layout and the review list."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from common.errors import UserError
from preprocess.annotation.estimators.choice import Need
from preprocess.annotation.estimators.protocols import BodyPose, Estimators
from preprocess.annotation.labels.confidence import Estimate, check
from preprocess.annotation.labels.garment_labels import estimate_garment
from preprocess.annotation.labels.given_labels import given_agnostic, given_mask, given_person
from preprocess.annotation.labels.person_labels import estimate_person
from preprocess.annotation.layout import write_layout
from preprocess.annotation.own_labels import OwnLabels, own_labels
from preprocess.annotation.photographs import read_photograph
from preprocess.annotation.requested_pairs import Pair, Photo, read_pairs
from preprocess.annotation.review import Outcome, write_preview, write_review
from preprocess.annotation.store import AGNOSTIC, IMAGE, LABELS, PARSE, POSE, Annotated, Store, as_json, digest
from preprocess.annotation.written_files import make_folder, parse_of, pose_of
from preprocess.faults import Fault, RecordError
from preprocess.formats.images import Pixels, encode_jpeg, encode_png
from preprocess.label_tables import Pixelwise
from schemas import Garment, Origin

_BATCH: Final = 8
"""Photographs in memory, and per batch of pose estimation."""
_QUALITY: Final = 95
_SURELY: Final = 0.6
"""Minimum confidence of a person in a garment's photograph for a note; some garments laid flat look like people."""
_WORN: Final = "a person seems to be in it; photograph the garment alone"


@dataclass(frozen=True)
class Report:
    """Result of a run."""

    outcomes: tuple[Outcome, ...]
    pairs: int
    pairs_skipped: int
    """Pairs with a rejected image"""
    review: Path
    """Path of the review list"""

    @property
    def rejected(self) -> int:
        """Images that could not be annotated."""
        return sum(outcome.reason is not None for outcome in self.outcomes)

    @property
    def to_review(self) -> int:
        """Images that were annotated, but need review."""
        return sum(outcome.reason is None and bool(outcome.notes) for outcome in self.outcomes)

    @property
    def kept(self) -> int:
        """Images that an earlier run had annotated."""
        return sum(outcome.kept for outcome in self.outcomes)


@dataclass(frozen=True)
class _Task:
    photo: Photo
    kind: Garment | None
    own: OwnLabels

    @property
    def needs(self) -> set[Need]:
        """What has to be estimated."""
        if self.photo.folder == "garments":
            lacking: dict[Need, bool] = {"garments": self.own.mask is None}
        else:
            lacking = {"pose": self.own.pose is None, "people": self.own.parse is None}
        return {need for need, is_lacking in lacking.items() if is_lacking}


@dataclass(frozen=True)
class _Run:
    src: Path
    store: Store
    estimators: Callable[[], Estimators]
    labels: Pixelwise | None
    least: float
    strict: bool
    finds_people: bool
    """Whether poses are estimated anyway, so that people in photographs of garments can be found, too"""


def annotate(
    src: Path,
    out: Path,
    load: Callable[[frozenset[Need]], Estimators],
    progress: Callable[[int, int], None],
    *,
    least: float,
    strict: bool,
    listed: Path | None = None,
    kind: Garment | None = None,
    labels: Pixelwise | None = None,
    notice: Callable[[str], None] = lambda line: None,
) -> Report:
    """Annotate all photographs of the pairs in ``src`` and write ``out``; ``src`` is not changed.

    ``load`` is called with what has to be estimated, at most once, when the first estimate is needed. ``progress`` is
    called with (images done, total), ``notice`` with each choice made for the user. ``listed`` and ``kind`` are as in
    `read_pairs`; ``labels`` is the table of label maps beside the photographs, None to infer it from the poses.

    Raise UserError for a mistake in the list of pairs, missing weights, or a folder that is not writable.
    """
    _check_folders(out, src)
    requested = read_pairs(src, out, listed=listed, kind=kind)
    pairs = requested.pairs
    if requested.notice:
        notice(requested.notice)
    tasks = _tasks(src, pairs)
    needs = frozenset[Need]().union(*(task.needs for task in tasks))
    make_folder(out)
    run = _Run(src, Store(out), cache(lambda: load(needs)), labels, least, strict, "pose" in needs)
    outcomes: list[Outcome] = []
    progress(0, len(tasks))
    for start in range(0, len(tasks), _BATCH):
        outcomes += _annotate(run, tasks[start : start + _BATCH])
        progress(len(outcomes), len(tasks))
    usable = {outcome.photo for outcome in outcomes if outcome.reason is None}
    whole = [pair for pair in pairs if {pair.person, pair.garment} <= usable]
    write_layout(run.store, whole)
    review = write_review(out, outcomes)
    return Report(tuple(outcomes), len(whole), len(pairs) - len(whole), review)


def _check_folders(out: Path, src: Path) -> None:
    if out.resolve().is_relative_to(src.resolve()):
        raise UserError(f"--out {out}: is inside --src; give a folder outside of it")


def _tasks(src: Path, pairs: Sequence[Pair]) -> list[_Task]:
    """Return one task per photograph: people, then garments."""
    people = dict.fromkeys(pair.person for pair in pairs)
    garments = {pair.garment: pair.kind for pair in pairs}
    return [
        *(_Task(photo, None, own_labels(src, photo.folder, photo.file)) for photo in people),
        *(_Task(photo, kind, own_labels(src, photo.folder, photo.file)) for photo, kind in garments.items()),
    ]  # fmt: skip


def _annotate(run: _Run, tasks: Sequence[_Task]) -> list[Outcome]:
    """Annotate a batch of photographs; outcomes are in the order of the tasks."""
    outcomes: dict[Photo, Outcome] = {}
    open_tasks: dict[_Task, Pixels] = {}
    for task in tasks:
        try:
            if outcome := _earlier_outcome(run, task):
                outcomes[task.photo] = outcome
            else:
                open_tasks[task] = read_photograph(run.src / task.photo.name, task.photo.name)
        except RecordError as error:
            outcomes[task.photo] = Outcome.rejected(task.photo, error)
    for task, estimate in _estimates(run, open_tasks):
        try:
            if isinstance(estimate, RecordError):
                raise estimate
            outcomes[task.photo] = _write(run, task, estimate)
        except RecordError as error:
            outcomes[task.photo] = Outcome.rejected(task.photo, error)
    return [outcomes[task.photo] for task in tasks]


def _earlier_outcome(run: _Run, task: _Task) -> Outcome | None:
    """Return the outcome of a photograph that needs no estimate, else None. Raise RecordError if it is unusable."""
    photo = task.photo
    source = _source(run, task)
    by_hand = run.store.by_hand(photo)
    if set(LABELS) <= set(by_hand):
        record = run.store.record(photo)
        if IMAGE not in by_hand and not (record and run.store.is_done(photo, source, task.kind)):
            picture = read_photograph(run.src / photo.name, photo.name)
            done = Annotated(source=source, kind=task.kind, confidences={}, notes=(), written={})
            run.store.write(photo, {IMAGE: encode_jpeg(picture, _QUALITY)}, done)
        return Outcome(photo, kept=True)
    record = run.store.record(photo)
    if record is None or not run.store.is_done(photo, source, task.kind):
        return None
    if not by_hand:
        check(record.confidences, run.least, photo.name)
    return Outcome(photo, record.confidences, () if by_hand else record.notes, kept=True)


def _source(run: _Run, task: _Task) -> str:
    """Return a digest of the photograph and of the labels beside it. Raise RecordError."""
    try:
        source = digest((run.src / task.photo.name).read_bytes())
        if task.own.paths:
            given = [digest(path.read_bytes()) for path in task.own.paths]
            table = [task.own.table or run.labels or ""] if task.own.parse else []
            source = digest("\n".join([source, *given, *table]).encode())
    except OSError as error:
        raise RecordError(Fault.BAD_IMAGE, task.photo.name, f"{error.strerror}; check the file") from error
    return source


def _estimates(run: _Run, images: dict[_Task, Pixels]) -> Iterator[tuple[_Task, Estimate | RecordError]]:
    sought = [task for task in images if "pose" in task.needs or (run.finds_people and "garments" in task.needs)]
    poses = run.estimators().pose.poses([images[task] for task in sought]) if sought else []
    poses_of = dict(zip(sought, poses, strict=True))
    for task, image in images.items():
        try:
            if task.photo.folder == "people":
                yield task, _person(run, task, image, poses_of.get(task, []))
            else:
                yield task, _garment(run, task, image, poses_of.get(task, []))
        except RecordError as error:
            yield task, error


def _person(run: _Run, task: _Task, image: Pixels, people: Sequence[BodyPose]) -> Estimate:
    name = task.photo.name
    given = given_person(image, run.src / name, task.own, run.labels)
    masks = run.estimators().people if "people" in task.needs else None
    return estimate_person(image, people, masks, least=run.least, strict=run.strict, name=name, given=given)


def _garment(run: _Run, task: _Task, image: Pixels, people: Sequence[BodyPose]) -> Estimate:
    mask = None if task.own.mask is None else given_mask(image, task.own.mask)
    masks = run.estimators().garments if mask is None else None
    made = estimate_garment(image, task.kind or "upper", masks, least=run.least, name=task.photo.name, given=mask)
    worn = any(person.confidence >= _SURELY for person in people)
    return replace(made, notes=(*made.notes, _WORN)) if worn else made


def _origin(label: str, estimate: Estimate, photo: Photo) -> Origin:
    """Return where a label comes from: a garment's landmarks follow from its outline."""
    if label in estimate.given:
        return "annotated"
    return "derived" if photo.folder == "garments" and label == "pose" else "estimated"


def _write(run: _Run, task: _Task, estimate: Estimate) -> Outcome:
    photo, drawing = task.photo, estimate.drawing
    kind, side = (None, "") if photo.folder == "people" else (task.kind or "upper", "_F")
    name = f"{photo.id}{side}.jpg"
    record = Annotated(
        source=_source(run, task),
        kind=task.kind,
        confidences=dict(estimate.confidences),
        notes=estimate.notes,
        written={},
    )
    corrected = [ending for ending in run.store.by_hand(photo) if ending in LABELS]
    files = {IMAGE: encode_jpeg(drawing.image, _QUALITY)}
    files |= {
        POSE: as_json(pose_of(drawing, name, kind), _origin("pose", estimate, photo)),
        PARSE: as_json(parse_of(drawing, name, kind), _origin("parse", estimate, photo)),
    }
    if task.own.agnostic is not None:
        hidden = given_agnostic(drawing.image, task.own.agnostic)
        files[AGNOSTIC] = encode_png(hidden.astype(np.uint8) * np.uint8(255))
    run.store.write(photo, files, record)
    write_preview(run.store.root, photo, drawing)
    notes = [f"{photo.id}{ending} was corrected by hand and is kept" for ending in corrected]
    return Outcome(photo, record.confidences, (*record.notes, *notes), kept=False)

"""A whole run: reads the pairs, annotates new photographs, writes AI-Hub's layout and the review list."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.errors import UserError
from preprocess.annotation.estimators.protocols import Estimators
from preprocess.annotation.labels.confidence import Estimate, check
from preprocess.annotation.labels.garment_labels import estimate_garment
from preprocess.annotation.labels.person_labels import estimate_person
from preprocess.annotation.layout import write_layout
from preprocess.annotation.photographs import read_photograph
from preprocess.annotation.requested_pairs import Pair, Photo, read_pairs
from preprocess.annotation.review import Outcome, write_preview, write_review
from preprocess.annotation.store import IMAGE, LABELS, PARSE, POSE, Annotated, Store, as_json, digest
from preprocess.faults import Fault, RecordError
from preprocess.formats.images import Pixels, encode_jpeg
from preprocess.synthetic.label_files import (
    CATEGORIES,
    HUMAN,
    item_parse_document,
    model_parse_document,
    pose_document,
)
from schemas import Garment, Origin

_BATCH: Final = 8
"""Photographs in memory, and per batch of pose estimation."""
_QUALITY: Final = 95


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


@dataclass(frozen=True)
class _Run:
    src: Path
    store: Store
    estimators: Callable[[], Estimators]
    least: float
    strict: bool


def annotate(
    src: Path,
    out: Path,
    load: Callable[[], Estimators],
    progress: Callable[[int, int], None],
    *,
    least: float,
    strict: bool,
) -> Report:
    """Annotate all photographs of the pairs in ``src`` and write ``out``.

    ``load`` is called at most once, when the first estimate is needed. ``progress`` is called with (images done,
    total). Raise UserError for a mistake in the pairs file, missing weights, or a folder that is not writable.
    """
    pairs = read_pairs(src)
    run = _Run(src, _open(out, src), _once(load), least, strict)
    tasks = _tasks(pairs)
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


def _open(out: Path, src: Path) -> Store:
    if out.resolve().is_relative_to(src.resolve()):
        raise UserError(f"--out {out}: is inside --src; give a folder outside of it")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out}: {error.strerror}; give a writable folder") from error
    return Store(out)


def _once(load: Callable[[], Estimators]) -> Callable[[], Estimators]:
    loaded: list[Estimators] = []

    def estimators() -> Estimators:
        if not loaded:
            loaded.append(load())
        return loaded[0]

    return estimators


def _tasks(pairs: Sequence[Pair]) -> list[_Task]:
    """Return one task per photograph: people, then garments."""
    dresses = {pair.person for pair in pairs if pair.kind == "dress"}
    people = dict.fromkeys(pair.person for pair in pairs)
    garments = {pair.garment: pair.kind for pair in pairs}
    return [
        *(_Task(photo, "dress" if photo in dresses else None) for photo in people),
        *(_Task(photo, kind) for photo, kind in garments.items()),
    ]  # fmt: skip


def _annotate(run: _Run, tasks: Sequence[_Task]) -> list[Outcome]:
    """Annotate a batch of photographs; outcomes are in the order of the tasks."""
    outcomes: dict[Photo, Outcome] = {}
    open_tasks: dict[_Task, Pixels] = {}
    for task in tasks:
        try:
            if outcome := _kept(run, task):
                outcomes[task.photo] = outcome
            else:
                open_tasks[task] = read_photograph(run.src / task.photo.name, task.photo.name)
        except RecordError as error:
            outcomes[task.photo] = Outcome.rejected(task.photo, error)
    for task, estimate in _estimates(run, open_tasks):
        outcomes[task.photo] = (
            Outcome.rejected(task.photo, estimate)
            if isinstance(estimate, RecordError)
            else _write(run, task, estimate)
        )  # fmt: skip
    return [outcomes[task.photo] for task in tasks]


def _kept(run: _Run, task: _Task) -> Outcome | None:
    """Return the outcome of a photograph that needs no estimate, else None. Raise RecordError if it is unusable."""
    photo = task.photo
    source = _source(run, photo)
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


def _source(run: _Run, photo: Photo) -> str:
    try:
        return digest((run.src / photo.name).read_bytes())
    except OSError as error:
        raise RecordError(Fault.BAD_IMAGE, photo.name, f"{error.strerror}; check the file") from error


def _estimates(run: _Run, images: dict[_Task, Pixels]) -> Iterator[tuple[_Task, Estimate | RecordError]]:
    people = [task for task in images if task.photo.folder == "people"]
    poses = run.estimators().pose.poses([images[task] for task in people]) if people else []
    poses_of = dict(zip(people, poses, strict=True))
    for task, image in images.items():
        masks, name = run.estimators().masks, task.photo.name
        try:
            if task in poses_of:
                yield task, estimate_person(
                    image, poses_of[task], masks,
                    least=run.least, strict=run.strict, trousers=task.kind != "dress", name=name,
                )  # fmt: skip
            else:
                yield task, estimate_garment(image, task.kind or "upper", masks, least=run.least, name=name)
        except RecordError as error:
            yield task, error


def _write(run: _Run, task: _Task, estimate: Estimate) -> Outcome:
    photo, drawing = task.photo, estimate.drawing
    if photo.folder == "people":
        pose = pose_document(drawing, f"{photo.id}.jpg", HUMAN)
        parse = model_parse_document(drawing, f"{photo.id}.jpg")
    else:
        category = CATEGORIES[task.kind or "upper"]
        pose = pose_document(drawing, f"{photo.id}_F.jpg", category)
        parse = item_parse_document(drawing, f"{photo.id}_F.jpg", category)
    record = Annotated(
        source=_source(run, photo),
        kind=task.kind,
        confidences=dict(estimate.confidences),
        notes=estimate.notes,
        written={},
    )
    corrected = [ending for ending in run.store.by_hand(photo) if ending in LABELS]
    rule: Origin = "estimated" if photo.folder == "people" else "derived"
    files = {POSE: as_json(pose, rule), PARSE: as_json(parse, "estimated"), IMAGE: encode_jpeg(drawing.image, _QUALITY)}
    run.store.write(photo, files, record)
    write_preview(run.store.root, photo, drawing)
    notes = [f"{photo.id}{ending} was corrected by hand and is kept" for ending in corrected]
    return Outcome(photo, record.confidences, (*record.notes, *notes), kept=False)

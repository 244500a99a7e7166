"""`prep inspect` for tables of pairs: what the rows name, what they lack, and the faults of the files.

Files are read as those of VITON-HD, see `listed_overview`; polygons and landmarks in AI-Hub's JSON as AI-Hub's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from preprocess.faults import Fault, RecordError, Tally
from preprocess.formats.aihub_json import read_item_parse, read_model_parse, read_pose
from preprocess.inspection.dataset.listed_overview import LISTED_FAULTS, ListedReport, add_faults, subject_faults
from preprocess.inspection.dataset.overview import AIHUB_FAULTS
from preprocess.label_tables import Pixelwise
from preprocess.loading.label_evidence import Decision, Person, decide_table
from preprocess.sources.files import Files
from preprocess.sources.listed import Kind
from preprocess.sources.tables.pair_table import PairTable, PhotographRow, is_json
from preprocess.sources.tables.table_columns import Column
from schemas import Split

_USUAL: Pixelwise = "cihp"
_KINDS: dict[Column, str] = {
    "person": "person-image", "pose": "person-pose", "parse": "person-parse", "garment": "product-image",
    "mask": "product-parse", "garment_pose": "product-pose",
}  # fmt: skip
"""The columns of files, and what the other datasets' reports call such files."""
_NEEDED: dict[Column, Fault] = {"pose": Fault.MISSING_PERSON_POSE, "parse": Fault.MISSING_PERSON_PARSE}
_ELSEWHERE = (
    Fault.MISSING_PERSON_IMAGE, Fault.MISSING_PRODUCT_IMAGE, Fault.MISSING_PRODUCT_PARSE, Fault.PICTURE_WITHOUT_PAIR,
    Fault.LABEL_WITHOUT_PICTURE, Fault.UNPAIRED_ROW, Fault.CONFLICTING_PAIRS, Fault.OLDER_DUPLICATE,
)  # fmt: skip
_OF_JSON = (
    Fault.NO_PRODUCT_POSE, Fault.DEGENERATE_POLYGON, Fault.FLAT_POLYGON, Fault.REPEATED_REGION, Fault.REGION_NUMBERS,
    Fault.UNKNOWN_REGION, Fault.NESTED_LANDMARKS, Fault.MISSING_IMAGE_SIZE,
)  # fmt: skip
TABLE_FAULTS = tuple(
    dict.fromkeys(
        (
            *_NEEDED.values(),
            Fault.UNKNOWN_CATEGORY,
            *(fault for fault in LISTED_FAULTS if fault not in _ELSEWHERE),
            *(fault for fault in AIHUB_FAULTS if fault in _OF_JSON),
        )
    )
)
"""Faults that a report can hold, in its order."""
_Subject = dict[Column, str]
"""The files of a person or of a garment."""


def inspect_table(
    data: PairTable, workers: int, progress: Callable[[int, int], None], labels: Pixelwise | None = None
) -> ListedReport:
    """Inspect what the rows name with ``workers`` processes; ``progress`` is called with (people and garments, total).

    ``labels`` is the table of the label maps, None to infer it. Raise UserError if several tables fit.
    """
    faults = Tally()
    faults.add(data.found)
    _note_missing(data.rows, faults)
    subjects = _subjects(data.rows)
    progress(0, len(subjects))
    decision = _decision(data, subjects, labels)
    add_faults(faults, _inspect_chunk, (data.files, decision.labels), subjects, workers, progress)
    return ListedReport(
        src=data.files.given,
        source="table",
        labels=decision.labels,
        agreement=round(decision.mean, 3),
        people_compared=decision.people,
        files=_files(data.rows),
        pairs=_pairs(data),
        faults=faults,
        known=TABLE_FAULTS,
    )


def _note_missing(rows: Iterable[PhotographRow], faults: Tally) -> None:
    """Note each row without a label that a sample needs."""
    for row in rows:
        for column, fault in _NEEDED.items():
            if not row.path(column):
                faults.note(fault, f"{row.look}_{row.frame}")


def _subjects(rows: Iterable[PhotographRow]) -> list[_Subject]:
    """List the files of each person and each garment once, in the order of the rows."""
    found: dict[tuple[str, ...], _Subject] = {}
    groups: tuple[tuple[Column, ...], ...] = (("person", "pose", "parse"), ("garment", "mask", "garment_pose"))
    for row in rows:
        for columns in groups:
            if row.path(columns[0]):
                subject = {column: path for column in columns if (path := row.path(column))}
                found.setdefault(tuple(subject.values()), subject)
    return list(found.values())


def _decision(data: PairTable, subjects: Sequence[_Subject], given: Pixelwise | None) -> Decision:
    """Return the table of the label maps; that of polygons if there are no maps."""
    parses = [path for subject in subjects if (path := subject.get("parse"))]
    if parses and all(map(is_json, parses)):
        return Decision("aihub")
    if given:
        return Decision(given)
    people = (Person(subject.get("pose", ""), subject.get("parse", ""), None) for subject in subjects)
    return decide_table(data.files, [person for person in people if not is_json(person.parse)], _USUAL)


def _files(rows: Sequence[PhotographRow]) -> dict[str, dict[str, int]]:
    """Count the distinct files of each kind by split."""
    counts: dict[str, dict[str, int]] = {}
    splits: tuple[Split, ...] = ("train", "val")
    for split in splits:
        of_split = [row for row in rows if row.split == split]
        if of_split:
            named = {kind: {row.path(column) for row in of_split} - {""} for column, kind in _KINDS.items()}
            counts[split] = {kind: len(paths) for kind, paths in named.items() if paths or kind != "product-pose"}
    return counts


def _pairs(data: PairTable) -> dict[str, dict[str, int]]:
    """Count the pairs by split and garment, and those of two photographs of one person.

    `whole` counts the pairs with a garment's photograph that have all files that a sample needs.
    """
    counts: dict[str, Counter[str]] = {"train": Counter(), "val": Counter()}
    for row in data.rows:
        if row.path("garment"):
            counts[row.split][row.kind] += 1
            counts[row.split]["whole"] += all(row.path(column) for column in _NEEDED)
    for record in data.records("all", "view", "all"):
        counts[record.split]["person to person"] += 1
    return {split: dict(found) for split, found in counts.items()}


def _inspect_chunk(files: Files, labels: Pixelwise, subjects: Sequence[_Subject]) -> Tally:
    faults = Tally()
    for subject in subjects:
        for fault, path in _faults(files, labels, subject):
            faults.note(fault, path)
    return faults


def _faults(files: Files, labels: Pixelwise, subject: _Subject) -> Iterator[tuple[Fault, str]]:
    """Yield the faults of a subject's files; its JSON of polygons, and landmarks with them, are AI-Hub's."""
    own: list[Column] = [column for column in ("parse", "mask") if is_json(subject.get(column, ""))]
    if own:
        own += [column for column in ("pose", "garment_pose") if column in subject]
    for column in own:
        try:
            yield from ((fault, subject[column]) for fault in _label_faults(files, column, subject[column]))
        except RecordError as error:
            yield error.reason, error.path
    paths: dict[Kind, str] = {}
    kinds: tuple[tuple[Column, Kind], ...] = (
        ("person", "person-image"), ("pose", "person-pose"), ("parse", "person-parse"),
        ("garment", "product-image"), ("mask", "product-parse"),
    )  # fmt: skip
    for column, kind in kinds:
        if kind.partition("-")[0] == ("person" if "person" in subject else "product"):
            paths[kind] = "" if column in own else subject.get(column, "")
    yield from subject_faults(files, labels, None, paths)


def _label_faults(files: Files, column: Column, path: str) -> Iterator[Fault]:
    """Yield the faults of one JSON file of AI-Hub's form. Raise RecordError if it is none."""
    data = files.read(path)
    if column in ("parse", "mask"):
        yield from dict.fromkeys((read_model_parse if column == "parse" else read_item_parse)(data, path).faults)
        return
    pose = read_pose(data, path)
    if not pose.points.any():
        yield Fault.NO_PERSON_POSE if column == "pose" else Fault.NO_PRODUCT_POSE
    yield from dict.fromkeys(pose.faults)

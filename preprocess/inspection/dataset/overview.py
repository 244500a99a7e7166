"""`prep inspect` for AI-Hub: the dataset's content, how its parts join, and its faults. No image is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from common.errors import UserError
from preprocess.faults import Fault, Tally
from preprocess.inspection.dataset.joins import Joins, join, worn_slots
from preprocess.inspection.dataset.label_scan import read_labels
from preprocess.planning.datasets import LAYOUTS
from preprocess.sources.aihub import is_aihub, open_aihub
from preprocess.sources.aihub_names import LEAVES, Release
from preprocess.sources.files import Files
from schemas import Split

FILE_FAULTS = (
    Fault.UTF_8_BOM,
    Fault.CP949_TEXT,
    Fault.CP1252_TEXT,
    Fault.UTF_16_TEXT,
    Fault.TOO_LARGE,
    Fault.OUTSIDE,
    Fault.UNREADABLE_FILE,
    Fault.ENCRYPTED_MEMBER,
    Fault.UNSAFE_NAME,
    Fault.LINKED_MEMBER,
    Fault.LINKED_FOLDER,
    Fault.NOT_A_FILE,
    Fault.TAR_IN_STORE,
    Fault.OTHER_ARCHIVE,
    Fault.NESTED_ZIP,
    Fault.REPEATED_MEMBER,
)
"""Faults of files and zips, whatever dataset they belong to."""

AIHUB_FAULTS = (
    Fault.MISSING_PERSON_IMAGE,
    Fault.MISSING_PERSON_POSE,
    Fault.MISSING_PERSON_PARSE,
    Fault.MISSING_PRODUCT_IMAGE,
    Fault.MISSING_PRODUCT_POSE,
    Fault.MISSING_PRODUCT_PARSE,
    Fault.PICTURE_WITHOUT_PAIR,
    Fault.LABEL_WITHOUT_PICTURE,
    Fault.OLDER_DUPLICATE,
    Fault.DOTTED_NAME,
    Fault.BAD_NAME,
    Fault.BAD_PAIR,
    Fault.BAD_ITEM_ID,
    Fault.REPEATED_PAIR,
    Fault.CATEGORY_MISMATCH,
    Fault.COPIED_LABELS,
    Fault.VIEW_MISMATCH,
    Fault.SWAPPED_SIDES,
    Fault.DOUBTFUL_VIEW,
    Fault.NO_PERSON_POSE,
    Fault.NO_PRODUCT_POSE,
    Fault.EMPTY_PARSE,
    Fault.BAD_POSE,
    Fault.BAD_PARSE,
    Fault.DEGENERATE_POLYGON,
    Fault.FLAT_POLYGON,
    Fault.REPEATED_REGION,
    Fault.REGION_NUMBERS,
    Fault.UNKNOWN_REGION,
    Fault.NORMALISED_LANDMARKS,
    Fault.NESTED_LANDMARKS,
    Fault.MISSING_IMAGE_SIZE,
    *FILE_FAULTS,
)
"""Faults that a report can hold, in its order; EXIF-rotated images are found only when images are decoded."""


@dataclass(frozen=True)
class SplitReport:
    """One split: files of each kind, how they join, views of people, categories of products, worn slots."""

    files: dict[str, int]
    joins: Joins
    views: dict[str, int]
    categories: dict[str, int]
    worn: dict[str, int]


@dataclass(frozen=True)
class Report:
    """A whole dataset; ``labels_read`` counts label files."""

    src: str
    release: Release
    splits: dict[Split, SplitReport]
    faults: Tally
    labels_read: int

    def document(self) -> dict[str, Any]:
        """Return the report as a JSON-ready object; `faults` lists every possible fault, found or not."""
        return {
            "src": self.src,
            "release": self.release,
            "labels_read": self.labels_read,
            "splits": {split: asdict(report) for split, report in self.splits.items()},
            "faults": self.faults.document(AIHUB_FAULTS),
        }


def inspect(files: Files, workers: int, progress: Callable[[int, int], None]) -> Report:
    """Inspect a dataset with ``workers`` processes; ``progress`` is called with (label files read, total).

    Raise UserError if ``files`` is not a known dataset.
    """
    if not is_aihub(files):
        raise UserError(f"--src {files.given}: no dataset recognised; {LAYOUTS}")
    data = open_aihub(files)
    labels = read_labels(data, workers, progress)
    labels.faults.add(data.found)
    splits: dict[Split, SplitReport] = {
        split: SplitReport(
            files={leaf: len(part.files.get(leaf, {})) for leaf in LEAVES},
            joins=join(part, labels.faults),
            views=dict(labels.views[split]),
            categories=dict(labels.categories[split]),
            worn=worn_slots(part),
        )
        for split, part in data.parts.items()
    }
    return Report(files.given, data.release, splits, labels.faults, labels.read)

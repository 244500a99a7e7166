"""What a data set holds, how its parts join, and what is wrong with it: `prep inspect`. No picture is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from common.errors import UserError
from preprocess.inspection.dataset.joins import Joins, join, worn_slots
from preprocess.inspection.dataset.labels import read_labels
from preprocess.planning.datasets import LAYOUTS
from preprocess.sources.aihub import is_aihub, open_aihub
from preprocess.sources.aihub_names import LEAVES, Release
from preprocess.sources.counts import Tally
from preprocess.sources.files import Files
from schemas import Split

FAULTS: dict[str, str] = {
    "missing-person-image": "a pair names a picture that is not there",
    "missing-person-pose": "a person's picture without a pose file",
    "missing-person-parse": "a person's picture without a parse file",
    "missing-product-image": "a worn item without a picture of its front",
    "missing-product-pose": "a product's picture without a pose file",
    "missing-product-parse": "a product's picture without a parse file",
    "picture-without-pair": "a person's picture of a look that no wearing list names",
    "label-without-picture": "a label file without its picture",
    "older-duplicate": "the same file again in an older folder or a zip; left out",
    "dotted-name": "a name with an extra dot; joined by its whole stem",
    "bad-name": "a name too long or too odd to become a key; left out",
    "bad-pair": "a row of a wearing list that names no picture; left out",
    "bad-item-id": "a row of a wearing list with an unusable item id; left out",
    "repeated-pair": "a picture listed twice; the last row counts",
    "category-mismatch": "category_id and category_name disagree; neither is trusted",
    "copied-labels": "labels of the product's other side under this name; rejected",
    "view-mismatch": "a back's file with the view_point of a front; the name counts",
    "swapped-sides": "left and right joints swapped; exchanged",
    "doubtful-view": "joints say another view than the file; nothing changed",
    "no-person-pose": "a person's pose file without a keypoint; rejected",
    "no-product-pose": "a product's pose file without a landmark; rejected",
    "empty-parse": "no region with a polygon; rejected",
    "bad-pose": "not JSON, not 51 numbers, NaN or absurdly large; rejected",
    "bad-parse": "not JSON, not polygons, NaN or absurdly large; rejected",
    "degenerate-polygon": "a polygon of fewer than 3 points; left out",
    "flat-polygon": "a polygon as x, y, x, y, …; read so",
    "repeated-region": "two regions of one name or number; joined",
    "region-numbers": "numbers of regions with gaps; read all the same",
    "unknown-region": "a region without a known name; left out",
    "normalised-landmarks": "landmarks as fractions of the picture; scaled",
    "nested-landmarks": "landmarks as [x, y, v] each; flattened",
    "missing-image-size": "no image_size; the picture's own is used",
    "utf-8-bom": "UTF-8 with a byte order mark; read so",
    "cp949-text": "text in cp949; read so",
    "too-large": "absurdly large, or a decompression bomb; rejected unread",
    "outside": "a link or a name that leads out of the data set; rejected",
    "unreadable-file": "cannot be read or is damaged; rejected",
    "encrypted-member": "locked by a password in its zip; rejected",
    "unsafe-name": "an absolute name, '..' or a backslash in a zip; left out",
    "linked-member": "a link in a zip; left out",
    "linked-folder": "a link to a folder; not followed",
    "not-a-file": "neither a file nor a folder; left out",
    "nested-zip": "a zip in a zip; left out",
    "repeated-member": "two members of a zip with one name; the last counts",
}
"""Every code that a report can hold, with what it means; `turned-image` shows only once pictures are decoded."""


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
    """A whole data set; ``labels_read`` counts label files."""

    src: str
    release: Release
    splits: dict[Split, SplitReport]
    faults: Tally
    labels_read: int

    def document(self) -> dict[str, Any]:
        """Return the report as a JSON-ready object; `faults` names every known code, found or not."""
        counts, examples = self.faults.counts, self.faults.examples
        return {
            "src": self.src,
            "release": self.release,
            "labels_read": self.labels_read,
            "splits": {split: asdict(report) for split, report in self.splits.items()},
            "faults": {
                code: {"count": counts[code], "examples": examples.get(code, [])} for code in (FAULTS | dict(counts))
            },
        }


def inspect(files: Files, workers: int, progress: Callable[[int, int], None]) -> Report:
    """Inspect a data set with so many processes; ``progress`` is called with (label files read, in all).

    Raise UserError where ``files`` is no data set that is known.
    """
    if not is_aihub(files):
        raise UserError(f"--src {files.root}: no data set recognised; {LAYOUTS}")
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
    return Report(str(files.root), data.release, splits, labels.faults, labels.read)

"""Dress Code: categories upper_body, lower_body and dresses, each with all its images in one folder.

File names are NUMBER_KIND: files of one pair share the number, and the kind is 0 for the person, 1 for the garment,
2 for the keypoints, 4 for the label map. Each list belongs to a split; lists at the root name the category in a third
column, lists inside a category may omit it.
"""

from __future__ import annotations

import re
from os.path import splitext

from common.errors import UserError
from preprocess.faults import Fault
from preprocess.sources.files import Files, normal
from preprocess.sources.listed import PICTURES, Kind, Listed, Pair, Row, list_split, read_list
from schemas import Garment, Split

CATEGORIES: dict[str, Garment] = {"upper_body": "upper", "lower_body": "lower", "dresses": "dress"}
"""Name of a category → kind of garment; in the order of the category numbers in the lists."""

_FILES: dict[tuple[str, str], Kind] = {
    ("images", "0"): "person-image",
    ("images", "1"): "product-image",
    ("keypoints", "2"): "person-pose",
    ("label_maps", "4"): "person-parse",
}
"""(folder, last part of the stem) → kind of file."""

_FOLDERS = {folder for folder, _ in _FILES}
_NAME = re.compile(r"^(\w{1,40})_(\d)$")
_PAINTED = re.compile(r"_vis$")


def is_dress_code(folders: set[str]) -> bool:
    """Return whether the folder names include a category's folder of images."""
    return any(_category(folder) and folder.endswith("/images") for folder in folders)


def open_dress_code(files: Files) -> Listed:
    """List the files and read the lists. Raise UserError if there is no list of pairs."""
    data = Listed("dress-code", files, "dress-code", ("person-image", "person-pose", "person-parse", "product-image"))
    lists: list[tuple[Split, str]] = []
    for folder, names in files.walk(data.found):
        category, leaf = _category(folder), folder.rpartition("/")[2].lower()
        for name in names:
            path = f"{folder}/{name}" if folder else name
            if split := list_split(name):
                lists.append((split, path))
            elif category and leaf in _FOLDERS:
                _add_file(data, category, leaf, name, path)
    if not lists:
        raise UserError(
            f"--src {files.root}: no train_pairs.txt or test_pairs_paired.txt; put them next to the categories"
        )
    for split, path in sorted(lists):
        for row in read_list(files, path, data.found):
            _add_row(data, split, row, path)
    return data


def _category(folder: str) -> str:
    """Return the category whose folder this is or is in, "" for none."""
    return next((part for part in folder.lower().split("/")[-2:] if part in CATEGORIES), "")


def _add_file(data: Listed, category: str, leaf: str, name: str, path: str) -> None:
    stem, suffix = splitext(normal(name))
    if suffix.lower() not in ((".json",) if leaf == "keypoints" else PICTURES):
        return
    if leaf == "label_maps" and _PAINTED.search(stem):
        data.found.note(Fault.COLOUR_PARSE, path)
        return
    match = _NAME.match(stem)
    kind = _FILES.get((leaf, match[2])) if match else None
    if match is None or kind is None:
        data.found.note(Fault.BAD_NAME, path)
        return
    data.add_file(kind, category, match[1], path)


def _add_row(data: Listed, split: Split, row: Row, path: str) -> None:
    person, garment = _NAME.match(row.person), _NAME.match(row.garment)
    category = _listed_category(row.category) or _category(path.rpartition("/")[0])
    if person is None or garment is None or not category:
        data.found.note(Fault.BAD_PAIR, f"{path}: {row.person} {row.garment}")
        return
    number = person[1]
    if garment[1] != number:
        data.found.note(Fault.UNPAIRED_ROW, f"{path}: {row.person} {row.garment}")
    name = f"{category}_{number}"
    data.add_pair(Pair(split, category, number, number, name, person[2], name, CATEGORIES[category]))


def _listed_category(column: str) -> str:
    """Return the category given by a list's third column, as a number or a name; "" for none."""
    if column in CATEGORIES:
        return column
    return tuple(CATEGORIES)[int(column)] if column in ("0", "1", "2") else ""

"""Dress Code: categories upper_body, lower_body and dresses, each with all its images in one folder.

File names are NUMBER_KIND: files of one pair share the number, and the kind is 0 for the person, 1 for the garment,
2 for the keypoints, 4 for the label map. In a dataset of one's own the names may be any: the lists say which image is a
person's, and the person's keypoints and label map have its name, perhaps with these endings. Each list belongs to a
split; lists at the root name the category in a third column, lists inside a category may omit it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from os.path import splitext

from common.errors import UserError
from preprocess.faults import Fault
from preprocess.sources.aihub_names import is_usable_stem
from preprocess.sources.files import IMAGE_SUFFIXES, Files, by_suffix, normal
from preprocess.sources.listed import Kind, Listed, Pair
from preprocess.sources.pair_lists import Known, Names, is_unpaired_list, list_split, read_list
from preprocess.sources.worn_garments import Listing, worn_garments
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

_ENDINGS: dict[str, tuple[Kind, str]] = {
    "keypoints": ("person-pose", r"(_2|_keypoints)?$"),
    "label_maps": ("person-parse", r"(_4|_parse|_label)?$"),
}
"""Folder → kind of its files, and what may follow the stem of a person with a name of one's own."""

_FOLDERS = {folder for folder, _ in _FILES}
_NAME = re.compile(r"^(.+)_(\d)$")
_PAINTED = re.compile(r"_vis$")
_PERSON, _GARMENT = "0", "1"


def is_dress_code(folders: set[str]) -> bool:
    """Return whether the folder names include a category's folder of images."""
    return any(_category(folder) and folder.endswith("/images") for folder in folders)


def open_dress_code(files: Files, *, unpaired: bool = False) -> Listed:
    """List the files and read the lists. Raise UserError if there is no list of pairs."""
    data = Listed("dress-code", files, "dress-code", ("person-image", "person-pose", "person-parse", "product-image"))
    lists: list[tuple[Split, str]] = []
    layout = _Layout(data)
    for folder, names in files.walk(data.found):
        category, leaf = _category(folder), folder.rpartition("/")[2].lower()
        for name in by_suffix(names):
            path = f"{folder}/{name}" if folder else name
            if split := list_split(name):
                lists.append((split, path))
            elif category and leaf in _FOLDERS:
                layout.add_file(category, leaf, name, path)
    if not lists:
        raise UserError(
            f"--src {files.given}: no train_pairs.txt or test_pairs_paired.txt; put them next to the categories"
        )
    data.lists = [path for _, path in sorted(lists)]
    layout.add_pairs(sorted(lists), unpaired=unpaired)
    return data


def _category(folder: str) -> str:
    """Return the category whose folder this is or is in, "" for none."""
    return next((part for part in folder.lower().split("/")[-2:] if part in CATEGORIES), "")


class _Layout:
    """The files of the categories by their stems, while pairs are made of them."""

    def __init__(self, data: Listed) -> None:
        self._data = data
        self._images: dict[tuple[str, str], str] = {}
        self._labels: dict[Kind, dict[tuple[str, str], str]] = {"person-pose": {}, "person-parse": {}}
        self._odd: dict[str, None] = {}
        """Paths of files whose names do not fit the layout; those that a row needs are removed"""

    def add_file(self, category: str, leaf: str, name: str, path: str) -> None:
        stem, suffix = splitext(normal(name))
        if suffix.lower() not in ((".json",) if leaf == "keypoints" else IMAGE_SUFFIXES):
            return
        if leaf == "label_maps" and _PAINTED.search(stem):
            self._data.found.note(Fault.COLOUR_PARSE, path)
            return
        if not is_usable_stem(stem):
            self._data.found.note(Fault.BAD_NAME, path)
            return
        match = _NAME.match(stem)
        if match is not None and (kind := _FILES.get((leaf, match[2]))):
            self._data.add_file(kind, category, match[1], path)
        else:
            self._odd[path] = None
        if leaf == "images":
            self._images.setdefault((category, stem), path)
        else:
            of, ending = _ENDINGS[leaf]
            self._labels[of].setdefault((category, re.sub(ending, "", stem, count=1)), path)
            self._labels[of].setdefault((category, stem), path)

    def add_pairs(self, lists: Sequence[tuple[Split, str]], *, unpaired: bool) -> None:
        """Add the pairs of people and the garments that they wear; note files that no row needs."""
        rows = [row for split, path in lists for row in self._rows(split, path)]
        people = {(row.group, row.person) for row in rows}

        def own(row: Listing) -> str:
            match = _NAME.match(row.person)
            if match is None or match[2] != "0":
                return row.garment if row.garment == row.person else ""
            stem = f"{match[1]}_1"
            if row.garment == stem or ((row.group, stem) in self._images and (row.group, stem) not in people):
                return stem
            return ""

        found = self._data.found
        for row, garment, worn in worn_garments(
            rows, own, lambda row: f"{row.person[:-2]}_1", found, unpaired=unpaired
        ):
            person, product = self._person(row.group, row.person), self._product(row.group, garment)
            match = _NAME.match(row.person)
            frame = match[2] if match and match[1] == person else _PERSON
            look, item = f"{row.group}_{person}", f"{row.group}_{product}"
            kind = CATEGORIES[row.group]
            self._data.add_pair(Pair(row.split, row.group, person, product, look, frame, item, kind, worn))
        for path in self._odd:
            self._data.found.note(Fault.BAD_NAME, path)

    def _rows(self, split: Split, path: str) -> Iterator[Listing]:
        known = {category: self._known(category) for category in CATEGORIES}
        every = Names(stem for _, stem in self._images)
        for row in read_list(self._data.files, path, self._data.found, Known(every, every)):
            category = _listed_category(row.category) or _category(path.rpartition("/")[0])
            where = f"{path}: {row.person} {row.garment}"
            if not category:
                self._data.found.note(Fault.BAD_PAIR, where)
                continue
            person, garment = (known[category].find(name) or name for name in (row.person, row.garment))
            yield Listing(split, category, person, garment, path, is_unpaired_list(path), where)

    def _known(self, category: str) -> Names:
        return Names(stem for group, stem in self._images if group == category)

    def _person(self, category: str, stem: str) -> str:
        """Return the name of a person in the pairs: the number, or a stem of one's own, whose files are added."""
        match = _NAME.match(stem)
        name = match[1] if match and match[2] == _PERSON else stem
        if name == stem:
            self._use("person-image", category, stem, self._images.get((category, stem), ""))
        for kind, labels in self._labels.items():
            self._use(kind, category, name, labels.get((category, name), "") or labels.get((category, stem), ""))
        return name

    def _product(self, category: str, stem: str) -> str:
        match = _NAME.match(stem)
        if match is not None and match[2] == _GARMENT:
            return match[1]
        self._use("product-image", category, stem, self._images.get((category, stem), ""))
        return stem

    def _use(self, kind: Kind, category: str, stem: str, path: str) -> None:
        if path:
            self._data.paths[kind].setdefault((category, stem), path)
            self._odd.pop(path, None)


def _listed_category(column: str) -> str:
    """Return the category given by a list's third column, as a number or a name; "" for none."""
    column = column.strip().lower()
    if column in CATEGORIES:
        return column
    return tuple(CATEGORIES)[int(column)] if column in ("0", "1", "2") else ""

"""VITON-HD and the older VITON: people and garments in folders per split, matched by their stems.

Folder names vary between copies (`*-bytedance` are GP-VTON's); they are listed newest first, and if several folders of
a kind have the same stem, the first is used. A person's own garment has the person's name: 00006_00.jpg and
00006_00.jpg in VITON-HD, 000001_0.jpg and 000001_1.jpg in VITON. In a dataset of one's own the names may be any, and
images may lie in folders below these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os.path import splitext

from common.errors import UserError
from preprocess.faults import Fault, RecordError
from preprocess.formats.images import read_header
from preprocess.label_tables import Pixelwise
from preprocess.sources.aihub_names import is_usable_stem
from preprocess.sources.files import IMAGE_SUFFIXES, Files, by_suffix, normal
from preprocess.sources.listed import KINDS, Kind, Listed, Pair
from preprocess.sources.pair_lists import Known, Names, is_unpaired_list, list_split, read_list
from preprocess.sources.worn_garments import Listing, worn_garments
from schemas import Split

_FOLDERS: dict[str, Kind] = {
    "image": "person-image",
    "cloth": "product-image",
    "cloth-mask": "product-parse",
    "cloth_mask": "product-parse",
    "cloth_mask-bytedance": "product-parse",
    "image-parse-v3": "person-parse",
    "image-parse": "person-parse",
    "image_parse": "person-parse",
    "image-parse-new": "person-parse",
    "parse-bytedance": "person-parse",
    "parse": "person-parse",
    "openpose_json": "person-pose",
    "openpose-json": "person-pose",
    "pose": "person-pose",
    "keypoints": "person-pose",
}
"""Name of a folder → kind of its files."""

_RANK = {name: place for place, name in enumerate(_FOLDERS)}
_POSE_SUFFIX = "_keypoints"
_PAINTED = "_vis"
_OLD_SIZE = (192, 256)
_OLD_POSES = "pose"
_ONLY_FRAME = "0"
"""The frame of a person whose name gives none."""


def is_viton_hd(folders: set[str]) -> bool:
    """Return whether the folder names include `image` and `cloth` next to each other."""
    return any(
        folder == "image" or folder.endswith("/image")
        for folder in folders
        if folder.removesuffix("image") + "cloth" in folders
    )


def open_viton_hd(files: Files, *, unpaired: bool = False) -> Listed:
    """List the files and read the lists; ``unpaired`` as in `worn_garments`. Raise UserError without a list."""
    data = Listed("viton-hd", files, "cihp", KINDS)
    lists: list[tuple[Split, str]] = []
    folders: list[tuple[str, list[str]]] = []
    for folder, names in files.walk(data.found):
        if _kind_folder(folder):
            folders.append((folder, names))
        lists += [(split, f"{folder}/{name}" if folder else name) for name in names if (split := list_split(name))]
    for folder, names in sorted(folders, key=lambda entry: (_RANK[_leaf(_kind_folder(entry[0]))], entry[0])):
        _add_folder(data, folder, names)
    if not lists:
        raise UserError(f"--src {files.given}: no train_pairs.txt or test_pairs.txt; put them next to train/ and test/")
    groups = {group for paths in data.paths.values() for group, _ in paths}
    data.lists = [path for _, path in sorted(lists)]
    rows = [row for split, path in sorted(lists) for row in _listed(data, split, path, groups)]
    _add_pairs(data, rows, unpaired=unpaired)
    data.labels = _labels(data)
    return data


def _kind_folder(folder: str) -> str:
    """Return the folder of a kind of files that this folder is or is in, "" for none."""
    parts = folder.split("/")
    ends = (end for end in range(len(parts), 0, -1) if parts[end - 1].lower() in _FOLDERS)
    return next(("/".join(parts[:end]) for end in ends), "")


def _leaf(folder: str) -> str:
    return folder.rpartition("/")[2].lower()


def _group(folder: str) -> str:
    """Return the split whose folder this one is in; "" if there is none, as the images then belong to both lists."""
    above = folder.lower().split("/")[:-1]
    return next((("train" if part == "train" else "val") for part in reversed(above) if part in _SPLITS), "")


_SPLITS = ("train", "test", "val", "valid", "validation")


def _add_folder(data: Listed, folder: str, names: list[str]) -> None:
    top = _kind_folder(folder)
    kind, group, below = _FOLDERS[_leaf(top)], _group(top), normal(folder[len(top) + 1 :])
    suffixes = (".json",) if kind == "person-pose" else IMAGE_SUFFIXES
    for name in by_suffix(names):
        stem, suffix = splitext(normal(name))
        if suffix.lower() not in suffixes:
            continue
        path = f"{folder}/{name}"
        if kind == "person-pose":
            stem = stem.removesuffix(_POSE_SUFFIX)
        if kind == "person-parse" and stem.endswith(_PAINTED):
            data.found.note(Fault.COLOUR_PARSE, path)
        elif is_usable_stem(stem):
            data.add_file(kind, group, f"{below}/{stem}" if below else stem, path)
        else:
            data.found.note(Fault.BAD_NAME, path)


def _listed(data: Listed, split: Split, path: str, groups: set[str]) -> Iterator[Listing]:
    """Yield the rows of a list."""
    group = split if split in groups else ""
    known = Known(*(Names(data.stems(kind, [group])) for kind in ("person-image", "product-image")))
    for row in read_list(data.files, path, data.found, known):
        where = f"{path}: {row.person} {row.garment}"
        yield Listing(split, group, row.person, row.garment, path, is_unpaired_list(path), where)


def _add_pairs(data: Listed, rows: Sequence[Listing], *, unpaired: bool) -> None:
    """Add the pairs of people and the garments that they wear, or with ``unpaired`` are to wear."""
    prefixes = _prefixes(rows)

    def look_of(row: Listing) -> str:
        look = row.person.rpartition("_")[0]
        return "" if (row.group, look) in prefixes else look

    def own(row: Listing) -> str:
        look = look_of(row)
        if row.garment == row.person or (look and row.garment.rpartition("_")[0] == look):
            return row.garment
        stems = [row.person, f"{look}_1"] if look else [row.person]
        return next((stem for stem in stems if data.path("product-image", row.group, stem)), "")

    for row, garment, worn in worn_garments(rows, own, lambda row: row.person, data.found, unpaired=unpaired):
        look, frame = look_of(row), row.person.rpartition("_")[2]
        if not look or garment.rpartition("_")[0] != look:
            look, frame = row.person, _ONLY_FRAME
        data.add_pair(Pair(row.split, row.group, row.person, garment, look, frame, garment, "upper", worn))


def _prefixes(rows: Sequence[Listing]) -> set[tuple[str, str]]:
    """Return the beginnings of names that several people in several garments share, as IMG_1 and IMG_2: no looks."""
    people: dict[tuple[str, str], set[str]] = {}
    garments: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        beginning = row.group, row.person.rpartition("_")[0]
        people.setdefault(beginning, set()).add(row.person)
        garments.setdefault(beginning, set()).add(row.garment)
    return {beginning for beginning in people if len(people[beginning]) > 1 and len(garments[beginning]) > 1}


def _labels(data: Listed) -> Pixelwise:
    """Recognise the older VITON, which has LIP labels, by its folder of poses or the size of its parses."""
    if any(_leaf(path.rpartition("/")[0]) == _OLD_POSES for path in data.paths["person-pose"].values()):
        return "lip"
    for path in data.paths["person-parse"].values():
        try:
            header = read_header(data.files.read(path))
        except RecordError:
            continue
        if header is not None:
            return "lip" if header.size == _OLD_SIZE else "cihp"
    return "cihp"

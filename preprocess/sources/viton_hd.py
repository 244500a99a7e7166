"""VITON-HD and the older VITON: people and garments in folders per split, matched by their stems.

Folder names vary between copies; they are listed newest first, and if several folders of a kind have the same stem, the
first is used. A person's own garment has the person's name: 00006_00.jpg and 00006_00.jpg in VITON-HD, 000001_0.jpg and
000001_1.jpg in VITON.
"""

from __future__ import annotations

from os.path import splitext

from common.errors import UserError
from preprocess.faults import Fault, RecordError
from preprocess.formats.images import read_header
from preprocess.label_tables import Pixelwise
from preprocess.sources.aihub_names import is_usable_stem
from preprocess.sources.files import Files, normal
from preprocess.sources.listed import KINDS, PICTURES, Kind, Listed, Pair, Row, list_split, read_list
from schemas import Split

_FOLDERS: dict[str, Kind] = {
    "image": "person-image",
    "cloth": "product-image",
    "cloth-mask": "product-parse",
    "cloth_mask": "product-parse",
    "image-parse-v3": "person-parse",
    "image-parse": "person-parse",
    "openpose_json": "person-pose",
    "openpose-json": "person-pose",
    "pose": "person-pose",
}
"""Name of a folder → kind of its files."""

_RANK = {name: place for place, name in enumerate(_FOLDERS)}
_POSE_SUFFIX = "_keypoints"
_PAINTED = "_vis"
_OLD_SIZE = (192, 256)
_OLD_POSES = "pose"


def is_viton_hd(folders: set[str]) -> bool:
    """Return whether the folder names include `image` and `cloth` next to each other."""
    return any(
        folder == "image" or folder.endswith("/image")
        for folder in folders
        if folder.removesuffix("image") + "cloth" in folders
    )


def open_viton_hd(files: Files) -> Listed:
    """List the files and read the lists. Raise UserError if there is no list of pairs."""
    data = Listed("viton-hd", files, "cihp", KINDS)
    lists: list[tuple[Split, str]] = []
    folders: list[tuple[str, list[str]]] = []
    for folder, names in files.walk(data.found):
        if _leaf(folder) in _FOLDERS:
            folders.append((folder, names))
        lists += [(split, f"{folder}/{name}" if folder else name) for name in names if (split := list_split(name))]
    for folder, names in sorted(folders, key=lambda entry: (_RANK[_leaf(entry[0])], entry[0])):
        _add_folder(data, folder, names)
    if not lists:
        raise UserError(f"--src {files.root}: no train_pairs.txt or test_pairs.txt; put them next to train/ and test/")
    groups = {group for paths in data.paths.values() for group, _ in paths}
    for split, path in sorted(lists):
        for row in read_list(files, path, data.found):
            _add_row(data, split, split if split in groups else "", row, path)
    data.labels = _labels(data)
    return data


def _leaf(folder: str) -> str:
    return folder.rpartition("/")[2].lower()


def _group(folder: str) -> str:
    """Return the split whose folder this one is in; "" if there is none, as the images then belong to both lists."""
    above = folder.lower().split("/")[:-1]
    return next((("train" if part == "train" else "val") for part in reversed(above) if part in _SPLITS), "")


_SPLITS = ("train", "test", "val", "valid", "validation")


def _add_folder(data: Listed, folder: str, names: list[str]) -> None:
    kind, group = _FOLDERS[_leaf(folder)], _group(folder)
    suffixes = (".json",) if kind == "person-pose" else PICTURES
    for name in names:
        stem, suffix = splitext(normal(name))
        if suffix.lower() not in suffixes:
            continue
        path = f"{folder}/{name}"
        if kind == "person-pose":
            stem = stem.removesuffix(_POSE_SUFFIX)
        if kind == "person-parse" and stem.endswith(_PAINTED):
            data.found.note(Fault.COLOUR_PARSE, path)
        elif is_usable_stem(stem):
            data.add_file(kind, group, stem, path)
        else:
            data.found.note(Fault.BAD_NAME, path)


def _add_row(data: Listed, split: Split, group: str, row: Row, path: str) -> None:
    look, _, frame = row.person.rpartition("_")
    if not look:
        data.found.note(Fault.BAD_PAIR, f"{path}: {row.person}")
        return
    garment = row.garment
    if garment.rpartition("_")[0] != look:
        data.found.note(Fault.UNPAIRED_ROW, f"{path}: {row.person} {row.garment}")
        own = row.person, f"{look}_1"
        garment = next((stem for stem in own if data.path("product-image", group, stem)), row.person)
    data.add_pair(Pair(split, group, row.person, garment, look, frame, garment, "upper"))


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

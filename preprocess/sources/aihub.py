"""AI-Hub 78, "fashion items and wearing images": both releases, unpacked or in the original zips.

Folders are recognised by their own name (`Model-Image`, `item-pose_f`, `Model-Image_deid`, …), wherever they are; the
wearing lists name the items that each look wears. Of duplicate files the one from the newest delivery is used, within
one delivery the unpacked one; the other is an `older-duplicate`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import isnan
from os.path import splitext
from typing import Any, NamedTuple, get_args

from common.errors import UserError
from preprocess.faults import Exclusion, Fault, RecordError, Tally
from preprocess.formats.loose_json import load_json
from preprocess.sources.aihub_names import (
    Leaf,
    Release,
    is_newest,
    is_usable_stem,
    is_wearing_list,
    leaf_of,
    release_of,
    short_stem,
    split_of,
)
from preprocess.sources.files import IMAGE_SUFFIXES, Files, by_suffix, normal
from schemas import Garment, Split

SLOTS = ("hat", "main_top", "inner_top", "bottom", "shoes")
"""The slots that a wearing list fills for every look."""

_DIGITS = 20
"""Digits of an id; longer ones are not compared as numbers."""
_ALIASES = {"top_out": "main_top", "top_in": "inner_top"}


class Requested(NamedTuple):
    """What a list of `prep annotate` adds to a row."""

    kind: Garment | None
    worn: bool
    """Whether the image shows the garment: if not, the pair is for inference"""


@dataclass
class Part:
    """The files of one split: leaf → stem → path; stem of an image, or id of a look → slot → item id."""

    files: dict[Leaf, dict[str, str]] = field(default_factory=dict)
    worn: dict[str, dict[str, str]] = field(default_factory=dict)
    worn_by_look: dict[str, dict[str, str]] = field(default_factory=dict)
    requested: dict[str, Requested] = field(default_factory=dict)
    """By image, of the lists of `prep annotate` alone"""
    reaches_knee: dict[str, bool] = field(default_factory=dict)
    """By item; a cache, since an item is worn in several frames"""

    def path(self, leaf: Leaf, stem: str) -> str:
        """Return the file's path, "" if it is missing."""
        return self.files.get(leaf, {}).get(stem, "")


@dataclass
class AIHub:
    """An AI-Hub 78 dataset: its parts, its release, its faults with examples, and what the options excluded."""

    files: Files
    parts: dict[Split, Part]
    release: Release
    found: Tally
    excluded: Counter[Exclusion] = field(default_factory=Counter)

    @property
    def left_out(self) -> Counter[str]:
        """Code → count: of every fault, and of every exclusion by the options."""
        return Counter[str](dict([*self.found.counts.items(), *self.excluded.items()]))


def is_aihub(files: Files) -> bool:
    """Return whether there are a folder of model images and a wearing list at any depth."""
    model = wearing = False
    for folder, names in files.walk():
        model = model or leaf_of(folder) == "model-image"
        wearing = wearing or any(is_wearing_list(name) for name in names)
        if model and wearing:
            return True
    return False


def open_aihub(files: Files) -> AIHub:
    """List the files and read the wearing lists. Raise UserError if the layout is not AI-Hub's."""
    parts: dict[Split, Part] = {"train": Part(), "val": Part()}
    wearing: dict[Split, dict[str, str]] = {"train": {}, "val": {}}
    found = Tally()
    for folder, names in files.walk(found):
        split, leaf = split_of(folder), leaf_of(folder)
        for name in by_suffix(names):
            path = f"{folder}/{name}" if folder else name
            if is_wearing_list(name):
                _add(wearing[split], name.lower(), path, found)
            elif leaf:
                _add_file(parts[split].files.setdefault(leaf, {}), leaf, name, path, found)
    lists = {split: _newest(list(paths.values())) for split, paths in wearing.items()}
    for split, part in parts.items():
        _drop_other_release(part, found)
        for path in lists[split]:
            _read_wearing(files, path, part, found)
    if not any(part.worn for part in parts.values()):
        raise UserError(
            f"--src {files.given}: no winfo*.json or wearing_info*.json with pairs in it or its subfolders; "
            "put the label archives (라벨링데이터) next to the images"
        )
    return AIHub(files, parts, _release(parts, lists), found)


def _add_file(stems: dict[str, str], leaf: Leaf, name: str, path: str, found: Tally) -> None:
    stem, suffix = splitext(normal(name))
    if suffix.lower() not in (IMAGE_SUFFIXES if leaf.endswith(("image", "agnostic")) else (".json",)):
        return
    if not is_usable_stem(stem):
        found.note(Fault.BAD_NAME, path)
        return
    if "." in stem:
        found.note(Fault.DOTTED_NAME, path)
    _add(stems, stem, path, found)


def _add(paths: dict[str, str], name: str, path: str, found: Tally) -> None:
    """Keep one path per name: that of the newest delivery, if an older folder has the same file."""
    if name in paths:
        newer = is_newest(path) and not is_newest(paths[name])
        found.note(Fault.OLDER_DUPLICATE, paths[name] if newer else path)
        if not newer:
            return
    paths[name] = path


def _drop_other_release(part: Part, found: Tally) -> None:
    """Drop release 1's copies of images and labels that release 2 has as well."""
    for leaf, stems in part.files.items():
        if leaf.startswith("model"):
            for stem in [stem for stem in stems if short_stem(stem) != stem and short_stem(stem) in stems]:
                found.note(Fault.OLDER_DUPLICATE, stems.pop(stem))


def _newest(paths: list[str]) -> list[str]:
    in_order = sorted(paths)
    return [path for path in in_order if is_newest(path)] or in_order


def _release(parts: dict[Split, Part], lists: dict[Split, list[str]]) -> Release:
    stems = [stem for part in parts.values() for stem in part.files.get("model-image", {})]
    folders = {
        path.rpartition("/")[0] for part in parts.values() for stems in part.files.values() for path in stems.values()
    }
    return release_of(stems, folders, [path for split in lists.values() for path in split])


def _read_wearing(files: Files, path: str, part: Part, found: Tally) -> None:
    """Add a wearing list to the part; unlisted frames of a look wear the same as its listed ones."""
    try:
        rows = load_json(files.read(path))
    except (RecordError, ValueError) as error:
        raise UserError(f"{files.place(path)}: not a JSON list of pairs ({error}); fetch the file again") from error
    if not isinstance(rows, list):
        raise UserError(
            f"{files.place(path)}: a JSON list is expected, not {type(rows).__name__}; fetch the file again"
        )
    images, ids = part.files.get("model-image", {}), _Ids(part)
    for row in rows:
        wearing = row.get("wearing") if isinstance(row, dict) else None
        stem = normal(splitext(wearing)[0]) if isinstance(wearing, str) else ""
        if not is_usable_stem(stem):
            found.note(Fault.BAD_PAIR, path)
            continue
        if stem not in images and short_stem(stem) in images:
            stem = short_stem(stem)
        slots = _slots(row, path, ids, found)
        if stem in part.worn:
            found.note(Fault.REPEATED_PAIR, f"{path}: {stem}")
        part.worn[stem] = slots
        if row.get("kind") in get_args(Garment):
            part.requested[stem] = Requested(row["kind"], row.get("worn") is not False)
        part.worn_by_look.setdefault(stem.rpartition("_")[0], slots)


class _Ids:
    """The ids of a split's items, found also where a list has them as numbers, without their leading zeros."""

    def __init__(self, part: Part) -> None:
        leaves: tuple[Leaf, ...] = ("item-image", "item-pose", "item-parse")
        self._ids = {stem.rpartition("_")[0] for leaf in leaves for stem in part.files.get(leaf, {})}
        self._by_number: dict[int, list[str]] = {}
        for name in self._ids:
            if name.startswith("0") and name.isascii() and name.isdecimal():
                self._by_number.setdefault(int(name), []).append(name)

    def find(self, value: object) -> str:
        """Return the id that a list gives as text or as a number, "" if it is neither."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # a table with empty cells writes all its numbers with a decimal point
        if isinstance(value, bool) or not isinstance(value, str | int):
            return ""
        item = normal(str(value).strip())
        if item in self._ids or not (item.isascii() and item.isdecimal() and len(item) < _DIGITS):
            return item
        padded = self._by_number.get(int(item), [])
        return padded[0] if len(padded) == 1 else item


def _slots(row: dict[str, Any], path: str, ids: _Ids, found: Tally) -> dict[str, str]:
    """Return the row's items by slot, with old slot names replaced by the current ones."""
    named = {_ALIASES.get(slot, slot): item for slot, item in row.items() if item not in (None, "")}
    slots: dict[str, str] = {}
    for slot in SLOTS:
        value = named.get(slot)
        if value is None or (isinstance(value, float) and isnan(value)):
            continue
        item = ids.find(value)
        if is_usable_stem(item):
            slots[slot] = item
        else:
            found.note(Fault.BAD_ITEM_ID, path)
    return slots

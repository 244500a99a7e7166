"""The names of AI-Hub 78: which folder holds what, of which split, of which release; which look an image shows."""

from __future__ import annotations

import re
from typing import Literal, get_args

from schemas import Split

Leaf = Literal["model-image", "model-pose", "model-parse", "item-image", "item-pose", "item-parse"]
LEAVES: tuple[Leaf, ...] = get_args(Leaf)
Release = Literal[1, 2]

_LEAF = re.compile(r"^(model|item)-(image|pose|parse)(_f|_deid)?$", re.IGNORECASE)
_WEARING = re.compile(r"^(winfo|wearing_info).*\.json$", re.IGNORECASE)
_NEWEST = re.compile(r"_add(/|$)|v230428", re.IGNORECASE)
_LONG = re.compile(r"^(\d{4})_\d{4}_\d+_[A-Z]_(?:.+_)?([A-Z]\d{3})_(\d{3})$")
"""Release 1's name of a model's image: day, day, width, studio, look, perhaps items, look, frame."""

_USABLE = re.compile(r"^[\w.,()\[\] +-]{1,56}$")
"""What an image's stem may be: it becomes part of a sample's key, which has to fit into a tar."""

_ITEM = re.compile(r"^[\w.-]{1,16}$")


def leaf_of(folder: str) -> Leaf | None:
    """Return what the folder holds, by the last part of its name; None for another folder."""
    match = _LEAF.match(folder.rsplit("/", 1)[-1])
    return f"{match[1].lower()}-{match[2].lower()}" if match else None  # type: ignore[return-value]


def split_of(folder: str) -> Split:
    """Return the split that the folder or one above it is named after, the outermost first; else train."""
    for part in folder.lower().split("/"):
        if re.search(r"valid|(^|[^a-z])val([^a-z]|$)", part):
            return "val"
        if "train" in part or "traing" in part:
            return "train"
    return "train"


def is_wearing_list(name: str) -> bool:
    """Return whether a file of this name lists who wears what."""
    return _WEARING.match(name) is not None


def is_newest(path: str) -> bool:
    """Return whether the path is of the delivery of May 2023, which replaces older folders beside it."""
    return _NEWEST.search(path) is not None


def is_usable_stem(stem: str) -> bool:
    """Return whether an image's stem can become part of a key."""
    return _USABLE.match(stem) is not None


def is_usable_item(item: str) -> bool:
    """Return whether an item's id can become part of a key."""
    return _ITEM.match(item) is not None


def short_stem(stem: str) -> str:
    """Return release 2's name of a model's image for release 1's; any other stem as it is."""
    match = _LONG.match(stem)
    return f"{match[1]}_{match[2]}_{match[3]}" if match else stem


def release_of(stems: list[str], folders: set[str], wearing_lists: list[str]) -> Release:
    """Tell the release by majority of: the images' stems, the folders' names, the wearing lists' names.

    Release 2 where the votes are even.
    """
    votes = 0
    if stems:
        votes += 1 if sum(short_stem(stem) == stem for stem in stems) * 2 >= len(stems) else -1
    old = any(folder.lower().endswith(("_f", "_deid")) for folder in folders)
    votes += 1 if any(is_newest(folder) for folder in folders) else -1 if old else 0
    votes += sum(1 if name.rsplit("/", 1)[-1].lower().startswith("winfo") else -1 for name in wearing_lists[:1])
    return 2 if votes >= 0 else 1

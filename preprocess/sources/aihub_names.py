"""Naming conventions of AI-Hub 78: content, split and release of a folder, and the look that an image shows."""

from __future__ import annotations

import re
from typing import Literal, get_args

from schemas import Split

Leaf = Literal[
    "model-image", "model-pose", "model-parse", "item-image", "item-pose", "item-parse", "model-agnostic"
]  # fmt: skip
LEAVES: tuple[Leaf, ...] = get_args(Leaf)[:6]
"""Those of the dataset; masks of what Ia hides are `prep annotate`'s alone."""
Release = Literal[1, 2]

_LEAF = re.compile(r"^(model|item)-(image|pose|parse|(?<=model-)agnostic)(_f|_deid)?$", re.IGNORECASE)
_WEARING = re.compile(r"^(winfo|wearing_info).*\.json$", re.IGNORECASE)
_NEWEST = re.compile(r"_add(/|$)|v230428", re.IGNORECASE)
_LONG = re.compile(r"^(\d{4})_\d{4}_\d+_[A-Z]_(?:.+_)?([A-Z]\d{3})_(\d{3})$")
"""Release 1's name of a model's image: day, day, width, studio, look, optional items, look, frame."""

_FORBIDDEN = frozenset('/\\*?"<>|')
"""Characters that many file systems forbid: a name with one was not read as it was meant."""
_LONGEST = 255
"""Characters of a file's name; no file system allows more."""


def leaf_of(folder: str) -> Leaf | None:
    """Return the folder's content by the last part of its path; None for other folders."""
    match = _LEAF.match(folder.rsplit("/", 1)[-1])
    return f"{match[1].lower()}-{match[2].lower()}" if match else None  # type: ignore[return-value]


def split_of(folder: str) -> Split:
    """Return the split named by the outermost path component that names one; train if none does."""
    for part in folder.lower().split("/"):
        if re.search(r"valid|(^|[^a-z])val([^a-z]|$)", part):
            return "val"
        if "train" in part or "traing" in part:
            return "train"
    return "train"


def is_wearing_list(name: str) -> bool:
    """Return whether a file of this name is a wearing list."""
    return _WEARING.match(name) is not None


def is_newest(path: str) -> bool:
    """Return whether the path belongs to the delivery of May 2023, which replaces older folders next to it."""
    return _NEWEST.search(path) is not None


def is_usable_stem(stem: str) -> bool:
    """Return whether an image's stem, or a garment's id, can be that of a file; any such name can become a key."""
    return 0 < len(stem) <= _LONGEST and stem.isprintable() and _FORBIDDEN.isdisjoint(stem) and stem.strip() == stem


def short_stem(stem: str) -> str:
    """Convert release 1's name of a model's image to release 2's; other stems are unchanged."""
    match = _LONG.match(stem)
    return f"{match[1]}_{match[2]}_{match[3]}" if match else stem


def release_of(stems: list[str], folders: set[str], wearing_lists: list[str]) -> Release:
    """Determine the release by majority vote of the images' stems, the folders' names and the wearing lists' names.

    A tie is release 2.
    """
    votes = 0
    if stems:
        votes += 1 if sum(short_stem(stem) == stem for stem in stems) * 2 >= len(stems) else -1
    old = any(folder.lower().endswith(("_f", "_deid")) for folder in folders)
    votes += 1 if any(is_newest(folder) for folder in folders) else -1 if old else 0
    votes += sum(1 if name.rsplit("/", 1)[-1].lower().startswith("winfo") else -1 for name in wearing_lists[:1])
    return 2 if votes >= 0 else 1

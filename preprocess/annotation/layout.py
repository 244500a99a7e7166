"""AI-Hub's layout of the annotated images: symbolic links to them, and the wearing lists.

A person with several garments appears as several frames of one look, named after the garments; all are links to one
image with one pose and one parse.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from common.atomic import write_atomically
from common.errors import UserError
from preprocess.annotation.requested_pairs import Pair, Photo
from preprocess.annotation.store import AGNOSTIC, IMAGE, PARSE, POSE, Store
from schemas import Garment, Split

_SPLITS: Final[tuple[Split, ...]] = ("train", "val")
_SUBJECTS: Final = ("Model", "Item")
_LEAVES: Final = {IMAGE: "Image", POSE: "Pose", PARSE: "Parse", AGNOSTIC: "Agnostic"}
_SLOTS: Final[dict[Garment, str]] = {"upper": "main_top", "lower": "bottom", "dress": "main_top"}


def write_layout(store: Store, pairs: Sequence[Pair]) -> None:
    """Make the layout contain exactly these pairs; all their images must be annotated."""
    for split in _SPLITS:
        folder = store.root / split
        of_split = [pair for pair in pairs if pair.split == split]
        wanted: set[Path] = set()
        for pair in of_split:
            wanted |= _link(store, pair.person, folder, "Model", stem(pair))
            wanted |= _link(store, pair.garment, folder, "Item", f"{pair.garment.id}_F")
        _remove_others(folder, wanted)
        listed = folder / f"winfo_{split}.json"
        if of_split:
            write_atomically(listed, json.dumps([_row(pair) for pair in of_split], indent=1).encode())
        else:
            listed.unlink(missing_ok=True)


def stem(pair: Pair) -> str:
    """Return the name of the person's frame."""
    return f"{pair.person.id}_{pair.garment.id}"


def _row(pair: Pair) -> dict[str, str | bool | None]:
    slots = dict.fromkeys(("hat", "main_top", "inner_top", "bottom", "shoes"))
    row: dict[str, str | bool | None] = {"wearing": f"{stem(pair)}.jpg", **slots, _SLOTS[pair.kind]: pair.garment.id}
    return {**row, "kind": pair.kind, "worn": pair.worn}


def _link(store: Store, photo: Photo, folder: Path, subject: str, name: str) -> set[Path]:
    links = set()
    for ending, leaf in _LEAVES.items():
        if ending == AGNOSTIC and not store.path(photo, ending).is_file():
            continue
        path = folder / f"{subject}-{leaf}" / f"{name}.{ending.rpartition('.')[2]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        target = os.path.relpath(store.path(photo, ending), path.parent)
        if path.exists() and not path.is_symlink():
            raise UserError(f"{path}: not a symbolic link; move this file to {store.path(photo, ending)}")
        if not (path.is_symlink() and str(path.readlink()) == target):
            path.unlink(missing_ok=True)
            path.symlink_to(target)
        links.add(path)
    return links


def _remove_others(folder: Path, wanted: Collection[Path]) -> None:
    for subject in _SUBJECTS:
        for leaf in _LEAVES.values():
            for path in (folder / f"{subject}-{leaf}").glob("*"):
                if path.is_symlink() and path not in wanted:
                    path.unlink()

"""Folders of images: which files are images, and which of them belong to which photograph by their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from common.errors import UserError, said
from train.data.shards import Pixels
from train.inference.pasting.originals import decode_original

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
_NAMED = 3


@dataclass(frozen=True)
class ImageOf:
    """An image, and the name that it was found by."""

    path: Path
    name: str
    """Of the photograph or the sample."""
    rest: str
    """What its own name has behind that."""


def image_files(folder: Path, option: str) -> list[Path]:
    """Return the images below a folder, by name. Raise UserError if there are none, or two of one name."""
    if not folder.is_dir():
        raise UserError(f"{option} {folder}: no such folder")
    found = sorted(
        (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()),
        key=lambda path: path.stem,
    )
    if not found:
        raise UserError(f"{option} {folder}: no image in it ({', '.join(sorted(SUFFIXES))})")
    for one, other in pairwise(found):
        if one.stem == other.stem:
            raise UserError(f"{option} {folder}: two images are named {one.stem} ({one.name}, {other.name}); keep one")
    return found


def matched(images: Sequence[Path], names: Sequence[str], what: str) -> list[ImageOf]:
    """Return each image with the name that its own equals or begins with, up to an underscore; the longest counts.

    Raise UserError if an image belongs to no name: comparing only some would make the figures another set's.
    """
    known = set(names)
    found, lost = [], []
    for path in images:
        name = next((name for name in _beginnings(path.stem) if name in known), None)
        if name is None:
            lost.append(path.name)
        else:
            found.append(ImageOf(path, name, path.stem[len(name) :].strip("_")))
    if lost:
        more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
        raise UserError(
            f"--images: no {what} for {', '.join(lost[:_NAMED])}{more}; an image is named as its {what} is, or "
            "begins so up to an underscore"
        )
    return found


def read_pixels(path: Path) -> Pixels:
    """Return an image as it is displayed, RGB (h, w, 3). Raise UserError if it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {said(error)}; make it readable") from error
    return decode_original(data, str(path)).seen.copy()  # torch refuses arrays that cannot be written


def _beginnings(stem: str) -> Iterator[str]:
    yield stem
    for place in range(len(stem) - 1, 0, -1):
        if stem[place] == "_" and stem[place - 1] != "_":
            yield stem[:place]

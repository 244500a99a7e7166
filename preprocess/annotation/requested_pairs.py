"""Input of `prep annotate`: a folder with `people/`, `garments/` and `pairs.csv`, which pairs people and garments."""

from __future__ import annotations

import csv
import difflib
import hashlib
import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Final, Literal, get_args

from common.atomic import write_atomically
from common.errors import UserError
from preprocess.annotation.photographs import SUFFIXES
from preprocess.formats.encodings import readings
from preprocess.sources.files import normal
from schemas import Garment, Split

PAIRS: Final = "pairs.csv"
Folder = Literal["people", "garments"]
FOLDERS: Final[tuple[Folder, ...]] = get_args(Folder)
_COLUMNS: Final = ("person", "garment", "kind", "worn")
_KINDS: Final[tuple[Garment, ...]] = get_args(Garment)
_WORN: Final = {
    "yes": True, "true": True, "y": True, "1": True, "no": False, "false": False, "n": False, "0": False, "": False,
}  # fmt: skip
_LONGEST: Final[dict[Folder, int]] = {"people": 36, "garments": 16}
"""Largest number of characters of an id: both ids become part of a sample's key."""


@dataclass(frozen=True)
class Photo:
    """One photograph."""

    folder: Folder
    file: str
    """File name in the folder"""
    id: str
    """Its id in the dataset"""

    @property
    def name(self) -> str:
        """Path relative to the photographs' folder."""
        return f"{self.folder}/{self.file}"


@dataclass(frozen=True)
class Pair:
    """One line of the pairs file."""

    person: Photo
    garment: Photo
    kind: Garment
    worn: bool
    """Whether the photograph shows the person in the garment, so that it can be trained on"""

    @property
    def split(self) -> Split:
        """Pairs with a worn garment are trained on; for the others there is no ground truth."""
        return "train" if self.worn else "val"


def read_pairs(src: Path) -> list[Pair]:
    """Read the pairs of the photographs in ``src``; if there is no pairs file, write a template.

    Raise UserError with the line number for anything but a pair of two existing photographs, and for a photograph that
    would be in both splits.
    """
    photos = {folder: _photos(src, folder) for folder in FOLDERS}
    path = src / PAIRS
    if not path.exists():
        _write_template(path, photos)
        raise UserError(
            f"{path} did not exist, so a template was written: on each line give a person and a garment, "
            f"its kind ({', '.join(_KINDS)}) and whether the photo shows it worn (yes, no); then run again"
        )
    pairs: dict[tuple[str, str], Pair] = {}
    kinds: dict[str, tuple[Garment, int]] = {}
    splits: dict[str, tuple[Split, int]] = {}
    for number, row in _rows(path):
        where = f"{path}, line {number}"
        pair = _pair(row, photos, where)
        if pairs.setdefault((pair.person.id, pair.garment.id), pair) is not pair:
            raise UserError(f"{where}: the same pair again; remove one of the lines")
        kind, first = kinds.setdefault(pair.garment.id, (pair.kind, number))
        if kind != pair.kind:
            raise UserError(f"{where}: {pair.garment.file} is {pair.kind} here and {kind} in line {first}")
        for photo in (pair.person, pair.garment):
            split, first = splits.setdefault(photo.name, (pair.split, number))
            if split != pair.split:
                raise UserError(
                    f"{where}: {photo.file} is in a worn pair and in one that is not worn (line {first}), but a photo "
                    "cannot be in both splits; put the worn pairs into a folder of their own"
                )
    if not pairs:
        raise UserError(f"{path}: no pairs; give a person and a garment on each line")
    return list(pairs.values())


def _photos(src: Path, folder: Folder) -> dict[str, Photo]:
    """Return the photographs of a folder by file name."""
    if not (src / folder).is_dir():
        raise UserError(f"--src {src}: no folder {folder}/; put photographs into people/ and garments/")
    files = sorted(
        path.name for path in (src / folder).iterdir()
        if path.is_file() and path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )  # fmt: skip
    if not files:
        raise UserError(f"{src / folder}: no photographs ({', '.join(sorted(SUFFIXES))})")
    photos: dict[str, Photo] = {}
    file_of_id: dict[str, str] = {}
    for file in files:
        photo = Photo(folder, file, _id(file, _LONGEST[folder]))
        if (other := file_of_id.setdefault(photo.id.lower(), file)) != file:
            raise UserError(f"{src / folder}: {other} and {file} would get the same id; rename one of them")
        photos[file] = photo
    return photos


def _id(file: str, longest: int) -> str:
    """Return a file's stem if it is a valid id, else its beginning and a digest of the file name."""
    stem = file.rpartition(".")[0]
    plain = re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-")
    if plain == stem and len(plain) <= longest:
        return plain
    return f"{plain[: longest - 7]}-{hashlib.sha256(file.encode()).hexdigest()[:6]}".lstrip("-")


def _write_template(path: Path, photos: dict[Folder, dict[str, Photo]]) -> None:
    people, garments = (list(photos[folder]) for folder in FOLDERS)
    rows = [
        (person or people[-1], garment or garments[-1], "upper", "no")
        for person, garment in zip_longest(people, garments)
    ]
    text = "\n".join(",".join(_quoted(field) for field in row) for row in (_COLUMNS, *rows))
    write_atomically(path, f"{text}\n".encode())


def _quoted(field: str) -> str:
    return f'"{field.replace(chr(34), chr(34) * 2)}"' if re.search(r'[",;\t]', field) else field


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return the non-empty lines with their numbers. Raise UserError for an unexpected header."""
    text = _text(path)
    header = text.split("\n", 1)[0]
    reader = csv.DictReader(text.splitlines(), delimiter=max(",;\t", key=header.count), restkey="", restval="")
    reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
    unknown = [name for name in reader.fieldnames if name not in _COLUMNS]
    if unknown or not {"person", "garment"} <= set(reader.fieldnames):
        raise UserError(f"{path}: the first line must be {','.join(_COLUMNS)}, not {header.strip()[:60]!r}")
    rows = []
    for row in reader:
        if "" in row:
            raise UserError(
                f"{path}, line {reader.line_num}: more fields than the first line; quote fields that contain commas"
            )
        if any(value.strip() for value in row.values()):
            rows.append((reader.line_num, {name: value.strip() for name, value in row.items()}))
    return rows


def _text(path: Path) -> str:
    """Return the file's text; of several encodings that fit, the one whose words are names of photographs there."""
    try:
        texts = [text for text, _ in readings(path.read_bytes())]
        names = {normal(photo.stem) for folder in FOLDERS for photo in (path.parent / folder).iterdir()}
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    if not texts:
        raise UserError(f"{path}: not a text file; save it as CSV in UTF-8")
    return max(texts, key=lambda text: sum(name in normal(text) for name in names)).replace("\r\n", "\n")


def _pair(row: dict[str, str], photos: dict[Folder, dict[str, Photo]], where: str) -> Pair:
    kind = next((kind for kind in _KINDS if kind == (row.get("kind") or "upper").lower()), None)
    if kind is None:
        raise UserError(f"{where}: kind {row['kind']!r}; give one of {', '.join(_KINDS)}")
    worn = _WORN.get(row.get("worn", "").lower())
    if worn is None:
        raise UserError(f"{where}: worn {row['worn']!r}; give yes or no")
    return Pair(
        _find(row["person"], photos["people"], "people", where),
        _find(row["garment"], photos["garments"], "garments", where),
        kind,
        worn,
    )


def _find(name: str, photos: dict[str, Photo], folder: Folder, where: str) -> Photo:
    """Return the photograph of a name: of another case, decomposed, or behind its folder too."""
    leaf = normal(name).replace("\\", "/").rpartition("/")[2]
    same = [file for file in photos if normal(file) == leaf]
    same = same or [file for file in photos if normal(file).casefold() == leaf.casefold()]
    if len(same) == 1:
        return photos[same[0]]
    if name not in photos:
        similar = difflib.get_close_matches(name, photos, n=3, cutoff=0.3) or list(photos)[:3]
        raise UserError(f"{where}: no {name!r} in {folder}/; similar names: {', '.join(similar)}")
    return photos[name]

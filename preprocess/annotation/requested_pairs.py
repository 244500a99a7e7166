"""Input of `prep annotate`: a folder with `people/` and `garments/`, and who gets which garment.

The list of pairs is --pairs, else `pairs.csv` beside the two folders, else the one in --out. No list is needed if there
is only one person and one garment, or if people and garments can be paired by their names. Otherwise a template is
written to --out; nothing is ever written beside the photographs.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Final, get_args

from common.atomic import write_atomically
from common.csv_files import pair_rows
from common.errors import UserError
from common.text import counted
from preprocess.annotation.own_labels import Folder, without_labels
from preprocess.annotation.photographs import SUFFIXES
from preprocess.formats.encodings import readings
from preprocess.sources.files import normal
from schemas import Garment, Split

PAIRS: Final = "pairs.csv"
FOLDERS: Final[tuple[Folder, ...]] = get_args(Folder)
_COLUMNS: Final = ("person", "garment", "kind", "worn")
_KINDS: Final[tuple[Garment, ...]] = get_args(Garment)
_WORN: Final = {
    "yes": True, "true": True, "y": True, "1": True, "no": False, "false": False, "n": False, "0": False, "": False,
}  # fmt: skip
_LONGEST: Final[dict[Folder, int]] = {"people": 36, "garments": 16}
"""Largest number of characters of an id: both ids become part of a sample's key."""
_ROLE: Final = re.compile(r"[ _-]*(?:[01]|person|people|model|garment|cloth|clothes|clothing|item|product)$")
"""Endings in which the names of a person's and a garment's photograph may differ, if they are a pair."""


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
    """A person and the garment to put on."""

    person: Photo
    garment: Photo
    kind: Garment
    worn: bool
    """Whether the photograph shows the person in the garment, so that it can be trained on"""

    @property
    def split(self) -> Split:
        """Pairs with a worn garment are trained on; for the others there is no ground truth."""
        return "train" if self.worn else "val"


@dataclass(frozen=True)
class Requested:
    """The pairs, and a line that says how they were found; "" if a list names them."""

    pairs: list[Pair]
    notice: str = ""


def read_pairs(src: Path, out: Path, *, listed: Path | None = None, kind: Garment | None = None) -> Requested:
    """Return the pairs of the photographs in ``src``; see the module's docstring for where they are listed.

    ``listed`` is the list of --pairs; ``kind`` is the kind of garments that no list gives one, `upper` for None. If a
    list is needed and there is none, a template is written into ``out``.

    Raise UserError with the line number for anything but a pair of two existing photographs, for a photograph that
    would be in both splits, and if a list is needed and there is none.
    """
    photos = {folder: photographs(src, folder) for folder in FOLDERS}
    path = _list_of(src, out, listed)
    usual: Garment = kind or "upper"
    if path is not None:
        return Requested(_listed_pairs(path, photos, src, usual))
    if matched := _matched(photos):
        return Requested(*_unlisted(photos, matched, usual))
    template = out / PAIRS
    _write_template(template, photos, usual)
    raise UserError(
        f"{template}: no list of pairs, so this template was written: on each line give a person and a garment, "
        f"its kind ({', '.join(_KINDS)}) and whether the photo shows it worn (yes, no); then run again"
    )


def _list_of(src: Path, out: Path, listed: Path | None) -> Path | None:
    """Return the list of pairs, None if there is none. Raise UserError if the given one does not exist."""
    if listed is not None:
        if not listed.is_file():
            raise UserError(f"--pairs {listed}: no such file; give a CSV of {','.join(_COLUMNS)}, or omit it")
        return listed
    return next((path for path in (src / PAIRS, out / PAIRS) if path.exists()), None)


def _matched(photos: dict[Folder, dict[str, Photo]]) -> list[tuple[Photo, Photo]]:
    """Return the pairs that need no list: the only person and garment, or people and garments of like names.

    All photographs of at least one folder must have a counterpart of the same name in the other; [] if not.
    """
    people, garments = (list(photos[folder].values()) for folder in FOLDERS)
    if len(people) == len(garments) == 1:
        return [(people[0], garments[0])]
    for name_of in (_plain_name, _common_name):
        by_name = [{name_of(photo.file): photo for photo in side} for side in (people, garments)]
        if any(len(names) != len(side) for names, side in zip(by_name, (people, garments), strict=True)):
            continue  # two photographs of one name
        shared = [name for name in by_name[0] if name in by_name[1]]
        if len(shared) == min(len(people), len(garments)):
            return [(by_name[0][name], by_name[1][name]) for name in shared]
    return []


def _plain_name(file: str) -> str:
    return normal(file.rpartition(".")[0]).casefold()


def _common_name(file: str) -> str:
    """Return the name that a person and a garment share: 000001 of 000001_0 and 000001_1, anna of anna-garment."""
    return _ROLE.sub("", _plain_name(file))


def _unlisted(
    photos: dict[Folder, dict[str, Photo]], matched: Sequence[tuple[Photo, Photo]], kind: Garment
) -> tuple[list[Pair], str]:
    pairs = [Pair(person, garment, kind, worn=False) for person, garment in matched]
    left = sum(map(len, photos.values())) - 2 * len(pairs)
    what = f"{len(pairs)} people and garments of the same name" if len(pairs) > 1 else "one person and one garment"
    others = f"; {counted(left, 'photograph has', 'photographs have')} no counterpart, skipped" if left else ""
    return pairs, f"{what} are paired, each garment as {kind} (--kind, or a list of pairs by --pairs){others}"


def _listed_pairs(path: Path, photos: dict[Folder, dict[str, Photo]], src: Path, usual: Garment) -> list[Pair]:
    pairs: dict[tuple[str, str], Pair] = {}
    kinds: dict[str, tuple[Garment, int]] = {}
    splits: dict[str, tuple[Split, int]] = {}
    for number, row in _rows(path, src):
        where = f"{path}, line {number}"
        pair = _pair(row, photos, where, usual)
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


def photographs(src: Path, folder: Folder) -> dict[str, Photo]:
    """Return the photographs of a folder by file name, without label files. Raise UserError if there are none."""
    if not (src / folder).is_dir():
        raise UserError(f"--src {src}: no folder {folder}/; put photographs into people/ and garments/")
    named = sorted(
        path.name for path in (src / folder).iterdir()
        if path.is_file() and path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )  # fmt: skip
    files = without_labels(named, folder)
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


def _write_template(path: Path, photos: dict[Folder, dict[str, Photo]], kind: Garment) -> None:
    people, garments = (list(photos[folder]) for folder in FOLDERS)
    rows = [
        (person or people[-1], garment or garments[-1], kind, "no") for person, garment in zip_longest(people, garments)
    ]
    text = "\n".join(",".join(_quoted(field) for field in row) for row in (_COLUMNS, *rows))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {path.parent}: {error.strerror}; give a writable folder") from error
    write_atomically(path, f"{text}\n".encode())


def _quoted(field: str) -> str:
    return f'"{field.replace(chr(34), chr(34) * 2)}"' if re.search(r'[",;\t]', field) else field


def _rows(path: Path, src: Path) -> list[tuple[int, dict[str, str]]]:
    """Return the non-empty lines with their numbers. Raise UserError for an unexpected header."""
    return [
        (number, {name: value.strip() for name, value in row.items()})
        for number, row in pair_rows(_text(path, src), "", path, _COLUMNS)
    ]


def _text(path: Path, src: Path) -> str:
    """Return the file's text; of several encodings that fit, the one whose words are names of photographs there."""
    try:
        texts = [text for text, _ in readings(path.read_bytes())]
        names = {normal(photo.stem) for folder in FOLDERS for photo in (src / folder).iterdir()}
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    if not texts:
        raise UserError(f"{path}: not a text file; save it as CSV in UTF-8")
    return max(texts, key=lambda text: sum(name in normal(text) for name in names)).replace("\r\n", "\n")


def _pair(row: dict[str, str], photos: dict[Folder, dict[str, Photo]], where: str, usual: Garment) -> Pair:
    kind = next((kind for kind in _KINDS if kind == (row.get("kind") or usual).lower()), None)
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
    """Return the photograph of a name, which may differ in case or Unicode form, or begin with the folder."""
    leaf = normal(name).replace("\\", "/").rpartition("/")[2]
    same = [file for file in photos if normal(file) == leaf]
    same = same or [file for file in photos if normal(file).casefold() == leaf.casefold()]
    if len(same) == 1:
        return photos[same[0]]
    if name not in photos:
        similar = difflib.get_close_matches(name, photos, n=3, cutoff=0.3) or list(photos)[:3]
        raise UserError(f"{where}: no {name!r} in {folder}/; similar names: {', '.join(similar)}")
    return photos[name]

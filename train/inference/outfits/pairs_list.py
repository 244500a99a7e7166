"""The file of `trainer try-on --pairs`: on each line a photograph of a person and those of garments."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final, get_args

from common.csv_files import pair_rows
from common.errors import UserError
from common.text import clip
from schemas import Garment
from train.inference.outfits.wearing import TryOnRequest

_BETWEEN: Final = "|"
"""Between several garments of one line, and between their kinds."""
_COLUMNS: Final = ("person", "garment", "kind")
_IGNORED: Final = ("worn",)
"""A column of `prep annotate`, whose files are read too."""
_KINDS: Final[tuple[Garment, ...]] = get_args(Garment)
_FOLDERS: Final = {"person": "people", "garment": "garments"}
"""Where `prep annotate` has its photographs, beside the file."""


def read_requests(path: Path) -> list[TryOnRequest]:
    """Read the requests of a CSV file with the columns person, garment and, optionally, kind.

    Files are named relative to the list, or lie in `people/` and `garments/` beside it. Raise UserError, with the line
    number, for a photograph that does not exist, an unknown kind, and garments that cannot be worn together.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--pairs {path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from error
    requests = [
        _request(row, path.parent, f"{path}, line {number}")
        for number, row in pair_rows(text, "--pairs", path, _COLUMNS, ignored=_IGNORED)
    ]
    if not requests:
        raise UserError(f"--pairs {path}: no pair in it; give a person and a garment on each line")
    return requests


def _request(row: dict[str, str], folder: Path, where: str) -> TryOnRequest:
    garments = [name.strip() for name in row["garment"].split(_BETWEEN) if name.strip()]
    given = [name.strip().lower() for name in row.get("kind", "").split(_BETWEEN)] if row.get("kind") else []
    if unknown := [name for name in given if name and name not in _KINDS]:
        raise UserError(f"{where}: kind {unknown[0]!r}; give one of {', '.join(_KINDS)}, or nothing")
    try:
        return TryOnRequest(
            _found(row["person"].strip(), "person", folder),
            tuple(_found(name, "garment", folder) for name in garments),
            tuple(next((kind for kind in _KINDS if kind == name), None) for name in given),
        )
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def _found(name: str, role: str, folder: Path) -> Path:
    if not name:
        raise UserError(f"no {role}; give the file name of a photograph")
    for path in (folder / name, folder / _FOLDERS[role] / name):
        with suppress(OSError):  # a name that is longer than any file's
            if path.is_file():
                return path
    raise UserError(f"no {clip(name)!r} in {folder} or {folder / _FOLDERS[role]}; give the file name of a photograph")

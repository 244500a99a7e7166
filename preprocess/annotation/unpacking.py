"""Writes a table of pairs as a folder of photographs for `prep annotate`, and a table of the files it will write.

The photographs are copied unchanged, under ids made from their paths: `people/ID.jpg`, `garments/ID.jpg`. Labels that
the table has are written beside them, and the pairs to `pairs.csv`. `labelled.csv` names the files that
`prep annotate` will write: it is the table for `prep build-shards`, and keeps the splits, which the folder cannot hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.atomic import write_atomically
from common.errors import UserError
from preprocess.annotation.requested_pairs import PAIRS
from preprocess.annotation.written_files import csv_bytes
from preprocess.faults import RecordError, Tally
from preprocess.sources.tables.pair_table import PairTable, PhotographRow
from preprocess.sources.tables.table_columns import Column

LABELLED: Final = "labelled.csv"
_DIGITS: Final = 16
_SUFFIXES: Final = ((b"\xff\xd8", ".jpg"), (b"\x89PNG", ".png"), (b"RIFF", ".webp"), (b"BM", ".bmp"), (b"II*", ".tif"))
_FOLDERS: Final[dict[Column, str]] = {"person": "people", "garment": "garments"}
_LABELS: Final[dict[Column, tuple[Column, str]]] = {
    "pose": ("person", ".pose"), "parse": ("person", ".parse"), "mask": ("garment", ".mask"),
}  # fmt: skip
"""Column of a label → column of its photograph, and what the label's name ends with."""
_COLUMNS: Final = (
    "person", "pose", "parse", "garment", "garment_pose", "mask", "category", "split", "person_id", "outfit", "id",
)  # fmt: skip


@dataclass(frozen=True)
class Unpacked:
    """How many photographs and pairs were written; rows with a file that cannot be read are in ``skipped``."""

    people: int
    garments: int
    pairs: int
    skipped: Tally


def unpack(data: PairTable, rows: Sequence[PhotographRow], out: Path, progress: Callable[[int, int], None]) -> Unpacked:
    """Write the photographs of the rows and their labels; files that exist are kept.

    ``progress`` is called with (rows done, total). Raise UserError if the folder cannot be written.
    """
    skipped = Tally()
    names: dict[str, str] = {}
    pairs: dict[tuple[str, str], tuple[str, ...]] = {}
    labelled: list[tuple[str, ...]] = []
    progress(0, len(rows))
    for number, row in enumerate(rows, 1):
        try:
            for column, folder in _FOLDERS.items():
                path = row.path(column)
                if path and path not in names:
                    names[path] = _write(data, row, column, out / folder, path)
        except RecordError as error:
            skipped.note(error.reason, error.path)
            continue
        except OSError as error:
            raise UserError(f"--out {out}: {error.strerror}; give a writable folder with enough space") from error
        if row.path("garment"):
            person, garment = names[row.path("person")], names[row.path("garment")]
            pairs.setdefault((person, garment), (person, garment, row.kind, "yes"))
            labelled.append(_labelled(row, Path(person).stem, Path(garment).stem))
        progress(number, len(rows))
    write_atomically(out / PAIRS, csv_bytes(("person", "garment", "kind", "worn"), list(pairs.values())))
    write_atomically(out / LABELLED, csv_bytes(_COLUMNS, labelled))
    people, garments = (len({row.path(column) for row in rows} & names.keys()) for column in _FOLDERS)
    return Unpacked(people, garments, len(pairs), skipped)


def _write(data: PairTable, row: PhotographRow, column: Column, folder: Path, path: str) -> str:
    """Write a photograph and the labels that the row has of it; return its name."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = hashlib.sha256(path.encode()).hexdigest()[:_DIGITS]
    name = _write_unless_exists(data, path, folder, stem)
    for label, (of, ending) in _LABELS.items():
        if of == column and row.path(label):
            _write_unless_exists(data, row.path(label), folder, f"{stem}{ending}")
    return name


def _write_unless_exists(data: PairTable, path: str, folder: Path, stem: str) -> str:
    """Write a file under a stem unless it exists; return its name."""
    existing = next((found.name for found in folder.glob(f"{stem}.*") if found.stem == stem), "")
    if existing:
        return existing
    content = data.files.read(path)
    json = content.lstrip()[:1] in (b"{", b"[")
    suffix = ".json" if json else next((end for start, end in _SUFFIXES if content.startswith(start)), ".jpg")
    write_atomically(folder / f"{stem}{suffix}", content)
    return f"{stem}{suffix}"


def _labelled(row: PhotographRow, person: str, garment: str) -> tuple[str, ...]:
    people, garments = f"people/{person}", f"garments/{garment}"
    return (
        f"{people}.jpg", f"{people}.pose.json", f"{people}.parse.json",
        f"{garments}.jpg", f"{garments}.pose.json", f"{garments}.parse.json", row.kind, row.split,
        *((row.look, "") if row.frame != "0" else ("", "")), row.frame if row.frame != "0" else row.look,
    )  # fmt: skip

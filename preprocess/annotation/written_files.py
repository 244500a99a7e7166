"""Files that every kind of `prep annotate` run writes: the folder, label documents in AI-Hub's format, CSV lists."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from common.errors import UserError
from preprocess.synthetic.drawing.annotated import Drawing
from preprocess.synthetic.label_files import (
    CATEGORIES,
    HUMAN,
    Document,
    item_parse_document,
    model_parse_document,
    pose_document,
)
from schemas import Garment


def make_folder(out: Path) -> None:
    """Make the folder for the labels. Raise UserError if it cannot be made."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out}: {error.strerror}; give a writable folder") from error


def pose_of(drawing: Drawing, name: str, kind: Garment | None) -> Document:
    """Return the joints of the image ``name``, or the landmarks if it shows a garment of a kind."""
    return pose_document(drawing, name, HUMAN if kind is None else CATEGORIES[kind])


def parse_of(drawing: Drawing, name: str, kind: Garment | None) -> Document:
    """Return the regions of the image ``name``, or the outline if it shows a garment of a kind."""
    if kind is None:
        return model_parse_document(drawing, name)
    return item_parse_document(drawing, name, CATEGORIES[kind])


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """Return a list with a header."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue().encode()

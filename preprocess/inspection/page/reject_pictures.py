"""Pictures of rejected records. Shards hold none of them, so they are read from the dataset, `prep report --src`."""

from __future__ import annotations

import base64
from collections.abc import Collection

import numpy as np

from common.errors import UserError
from preprocess.faults import RecordError
from preprocess.formats.images import Pixels, decode, encode_webp, resize
from preprocess.inspection.page.sheet import CELL, QUALITY
from preprocess.planning.datasets import open_dataset
from preprocess.sources import Files, Record
from preprocess.sources.tables.table_files import TableFiles
from schemas import MID_GREY, Configuration, Source


def check_source(files: Files, source: Source) -> None:
    """Raise UserError if the files are those of a table, and the shards are not, or the other way round."""
    if source == "table" and not isinstance(files, TableFiles):
        raise UserError(f"--src {files.given}: the shards were built from a table of pairs; add --table FILE")
    if source != "table" and isinstance(files, TableFiles):
        raise UserError(f"--table: the shards were built from {source}, not from a table; give --src DIR alone")


def reject_pictures(files: Files, configuration: Configuration, keys: Collection[str]) -> dict[str, str]:
    """Return for each key the person and the garment side by side, WebP in base64; unreadable images are grey.

    Keys that the dataset lacks are left out. Raise UserError if it is not of the shards' kind.
    """
    pictures: dict[str, str] = {}
    for unpaired in (False, True):  # the shards do not say with which they were built
        if len(pictures) < len(keys):
            data = open_dataset(files, configuration.source, unpaired=unpaired)
            records = data.records(configuration.garment, configuration.pairing, configuration.views)
            pictures |= {record.key: _picture(files, record) for record in records if record.key in keys}
    return pictures


def _picture(files: Files, record: Record) -> str:
    strip = np.hstack([_cell(files, path) for path in (record.person_image, record.product_image)])
    return base64.b64encode(encode_webp(strip, QUALITY)).decode()


def _cell(files: Files, path: str) -> Pixels:
    """Return an image, whole, in a square."""
    empty = np.full((CELL, CELL, 3), MID_GREY, np.uint8)
    try:
        pixels, _ = decode(files.read(path), path, None) if path else (empty, False)
    except RecordError:
        return empty
    height, width = pixels.shape[:2]
    side = max(height, width)
    square = np.full((side, side, 3), MID_GREY, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = pixels
    return resize(square, CELL)

"""Ia on real VITON-HD records, compared with the masks of other projects in the same folders.

    python benchmarks/agnostic_viton_hd.py [--src DIR]

Counts pixels at source resolution inside the crop, by the parse's labels. "Left" are unchanged pixels of the garment
(5, 6, 7) or of neck and chest (10); "removed" are pixels of the face (13) and of the lower body (9, 12, 16 to 19) that
are grey; "painted" are lower-body pixels next to the garment that are filled with the colour of those farther away. The
last columns are the same for `agnostic-mask/`, where present. Prints a Markdown table, the sum of all records last.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning import person_side
from preprocess.conditioning.agnostic import shown
from preprocess.conditioning.regions import WORN, claimed_by
from preprocess.faults import RecordError
from preprocess.formats.images import Mask, cut
from preprocess.formats.label_maps import PixelParse, read_numbers
from preprocess.loading.subjects import load_person
from preprocess.sources import Files, Record
from preprocess.sources.viton_hd import open_viton_hd

GARMENT, NECK, FACE, LOWER = (5, 6, 7), (10,), (13,), (9, 12, 16, 17, 18, 19)
_DATA = Path(os.environ.get("TRYON_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--src", type=Path, default=_DATA / "viton-hd")
    folder = parser.parse_args().src
    if not folder.is_dir():
        print(f"no VITON-HD in {folder}", file=sys.stderr)
        return
    print("| record | garment left | neck left | face removed | lower body removed | painted ", end="")
    print("| mask: garment left | neck left | face removed | lower body removed |")
    print(f"|{'---|' * 10}")
    rows = list(measure(Files(folder)))
    for name, counts in (*rows, ("all", np.sum([counts for _, counts in rows], axis=0))):
        print(f"| {name} | {' | '.join('' if count < 0 else f'{count:,}' for count in counts)} |")


def measure(files: Files) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield each record's name and counts, in the columns' order; -1 if there is no shipped mask."""
    for record in open_viton_hd(files).records("upper", "item", "matching"):
        try:
            person = load_person(files, record)
        except RecordError as error:
            print(f"{record.look}_{record.frame}: {error.reason}", file=sys.stderr)
            continue
        assert isinstance(person.parse, PixelParse)
        side = person_side(person, record.garment)
        crop = side.crop
        points = person.pose.points - (crop.x, crop.y, 0.0)
        claimed = claimed_by(person.parse, WORN["upper"], crop)
        square = cut(person.pixels, crop)
        seen = shown(square, side.labels, claimed, points, "upper", crop.side, whole_half=True)
        numbers = read_numbers(files.read(record.person_parse), record.person_parse).numbers
        # Pixels beyond the image have no label.
        rows, columns = np.indices((crop.side, crop.side))
        inside = (rows + crop.y < numbers.shape[0]) & (rows + crop.y >= 0)
        inside &= (columns + crop.x < numbers.shape[1]) & (columns + crop.x >= 0)
        of = np.zeros((crop.side, crop.side), np.uint8)
        of[inside] = numbers[(rows + crop.y)[inside], (columns + crop.x)[inside]]
        as_taken = seen.kept & ~seen.repainted
        ours = [
            (as_taken & np.isin(of, GARMENT)).sum(),
            (as_taken & np.isin(of, NECK)).sum(),
            (~seen.kept & np.isin(of, FACE)).sum(),
            (~seen.kept & np.isin(of, LOWER)).sum(),
            (seen.repainted & np.isin(of, LOWER)).sum(),
        ]
        yield f"{record.look}_{record.frame}", np.array([*ours, *shipped(files, record, numbers)], np.int64)


def shipped(files: Files, record: Record, numbers: NDArray[np.uint8]) -> list[int]:
    """Return the same counts for the mask of other projects, over the full image."""
    folder, _, name = record.person_image.rpartition("/")
    path = f"{folder.removesuffix('image')}agnostic-mask/{Path(name).stem}_mask.png"
    if files.size(path) < 0:
        return [-1] * 4
    grey = cv2.imdecode(np.frombuffer(files.read(path), np.uint8), cv2.IMREAD_GRAYSCALE)
    mask: Mask = np.asarray(grey) >= 128
    left = [int((~mask & np.isin(numbers, labels)).sum()) for labels in (GARMENT, NECK)]
    return [*left, *(int((mask & np.isin(numbers, labels)).sum()) for labels in (FACE, LOWER))]


if __name__ == "__main__":
    main()

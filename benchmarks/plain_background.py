"""Segmentation of garments on a plain background, as for Dress Code, against masks of VITON-HD's and drawn products.

    python benchmarks/plain_background.py [--src DIR] [--garments N]

Prints a Markdown table. "Taken" are those of sufficient confidence; the overlap (intersection over union with the mask)
is given for the worst of these, and for the best of the others.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from preprocess.faults import RecordError
from preprocess.formats.images import Mask, Pixels, decode
from preprocess.formats.stored_masks import read_stored_mask
from preprocess.loading.plain_background import find_garment, garment_before
from preprocess.sources import Files
from preprocess.sources.viton_hd import open_viton_hd
from preprocess.synthetic.drawing.annotated import BACKGROUND
from preprocess.synthetic.garments.garment import KINDS, garment
from preprocess.synthetic.garments.item import draw_item

_DATA = Path(os.environ.get("TRYON_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--src", type=Path, default=_DATA / "viton-hd")
    parser.add_argument("--garments", type=int, default=20, help="of each kind")
    arguments = parser.parse_args()
    print("| garments | | taken | overlap, median | worst | best of those not taken |")
    print("|---|---|---|---|---|---|")
    for title, cases in (("VITON-HD", real(arguments.src)), ("drawn", drawn(arguments.garments))):
        taken: list[float] = []
        refused: list[float] = []
        for pixels, truth in cases:
            mask = find_garment(pixels).mask
            overlap = float((mask & truth).sum() / (mask | truth).sum())
            (taken if is_taken(pixels) else refused).append(overlap)
        if not taken:
            continue
        best = f"{max(refused):.3f}" if refused else ""
        cells = f"{len(taken) + len(refused)} | {len(taken)} | {np.median(taken):.3f} | {min(taken):.3f} | {best}"
        print(f"| {title} | {cells} |")


def is_taken(pixels: Pixels) -> bool:
    try:
        garment_before(pixels, "")
    except RecordError:
        return False
    return True


def real(folder: Path) -> Iterator[tuple[Pixels, Mask]]:
    if not folder.is_dir():
        return
    files = Files(folder)
    for record in open_viton_hd(files).records("upper", "item", "matching"):
        pixels, _ = decode(files.read(record.product_image), record.product_image, None)
        mask, _ = next(read_stored_mask(files.read(record.product_parse), record.product_parse).readings())
        yield pixels, mask


def drawn(count: int) -> Iterator[tuple[Pixels, Mask]]:
    for kind in KINDS:
        for seed in range(count):
            drawing = draw_item(garment(seed, kind), back=False)
            yield drawing.image, drawing.labels != BACKGROUND


if __name__ == "__main__":
    main()

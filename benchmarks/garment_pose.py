"""Accuracy of Jg derived from the garment's outline, on drawn garments and on the real ones of the AI-Hub sample.

    python benchmarks/garment_pose.py [--garments N]

Landmarks of drawn garments are exact; those of the real ones were annotated by eye. Distances are fractions of the
longer side of the garment's box. "Found" are slots of the ground truth that the rule fills, "more" those that only the
rule fills. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.masks import box_of
from preprocess.conditioning.regions import garment_mask
from preprocess.formats.aihub_json import read_item_parse, read_pose
from preprocess.formats.images import Mask
from preprocess.loading.garment_outline import estimate
from preprocess.sources import Files
from preprocess.synthetic.drawing.annotated import BACKGROUND
from preprocess.synthetic.garments.garment import KINDS, SLOTS, garment
from preprocess.synthetic.garments.item import draw_item
from schemas import Crop, Garment

Case = tuple[str, Mask, NDArray[np.float64], Garment]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--garments", type=int, default=40, help="of each kind")
    found: dict[str, list[tuple[NDArray[np.float64], int, int]]] = {}
    for title, mask, truth, kind in (*drawn(parser.parse_args().garments), *real()):
        found.setdefault(title, []).append(compare(mask, truth, kind))
    print("| garments | | of slots found | more | median | 90 % |")
    print("|---|---|---|---|---|---|")
    for title, cases in found.items():
        distances = np.concatenate([case[0] for case in cases])
        wanted = sum(case[1] for case in cases)
        print(
            f"| {title} | {len(cases)} | {len(distances) / wanted:.0%} | {sum(case[2] for case in cases)} "
            f"| {np.median(distances):.3f} | {np.quantile(distances, 0.9):.3f} |"
        )


def compare(mask: Mask, truth: NDArray[np.float64], kind: Garment) -> tuple[NDArray[np.float64], int, int]:
    """Return the distances of slots that both have, how many the truth has, and how many only the rule has."""
    points = estimate(mask, kind)[0]
    box = box_of(mask)
    assert box is not None
    side = max(part.stop - part.start for part in box)
    both = (points[:, 2] > 0) & (truth[:, 2] > 0)
    distances = np.hypot(*(points[both, :2] - truth[both, :2]).T) / side
    return distances, int((truth[:, 2] > 0).sum()), int(((points[:, 2] > 0) & (truth[:, 2] == 0)).sum())


def drawn(count: int) -> Iterator[Case]:
    for kind in KINDS:
        slot = SLOTS[kind]
        for seed in range(count):
            drawing = draw_item(garment(seed, kind), back=False)
            # What is inside of a collar belongs to the silhouette that a mask shows.
            yield f"drawn {kind}", drawing.labels != BACKGROUND, drawing.keypoints, "upper" if slot == "outer" else slot


def real() -> Iterator[Case]:
    folder = Path(os.environ.get("TRYON_REAL_DATA", Path(__file__).parents[2] / "shared" / "data")) / "aihub-sample"
    if not folder.is_dir():
        return
    files = Files(folder)
    for place, names in files.walk():
        for name in names if place.endswith("Item-Parse") else ():
            parse = read_item_parse(files.read(f"{place}/{name}"), name)
            assert parse.image_size is not None
            width, height = parse.image_size
            mask = garment_mask(parse, Crop(x=0, y=0, side=max(width, height)), linings=True)[:height, :width]
            pose = read_pose(files.read(f"{place.removesuffix('Item-Parse')}Item-Pose/{name}"), name)
            yield "real top", np.ascontiguousarray(mask), pose.points, "upper"


if __name__ == "__main__":
    main()

"""How visible the seam is of a square pasted back into its photograph, for several ways to do it.

    python benchmarks/paste_back.py --runs demo/runs --shards demo/shards --src demo/aihub --people 8

People of the split are dressed in another one's garment. Where a kept pixel and one that may be replaced lie side by
side, their difference is measured: along all of the hidden area, and along the outer edge of its box, where nothing but
the room is to be seen. The photograph's own difference there is what a seam that cannot be seen has.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from train.data import ShardFolder
from train.data.shards import Pixels
from train.inference.cascade import Overrides, load_cascade
from train.inference.dress import dress
from train.inference.pair_selection import swapped_pairs
from train.inference.pasting.agreement import Mask
from train.inference.pasting.outlined import Outline
from train.inference.pasting.paste_back import Region, hidden_in, paste_back, replaceable
from train.inference.pasting.source_images import SourceImages
from train.inference.pasting.whole import find_original, outline_of
from train.inference.sampling import outfit_of

Way = Callable[[Pixels, Pixels, Mask, Region, Mask, Any, Any], Pixels]
_FEATHER = 3.0
"""Width of the feathered band, in pixels of Ia."""


def enlarged(photograph: Pixels, result: Pixels, region: Region) -> Pixels:
    """Return the result at its place in an image of the photograph's size."""
    left, top, width, height = region.box
    scaled = cv2.resize(result, (width, height), interpolation=cv2.INTER_CUBIC)
    move = np.array([[1, 0, left], [0, 1, top]], np.float32)
    size = photograph.shape[1], photograph.shape[0]
    return np.asarray(cv2.warpAffine(scaled, move, size, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def replaced_alone(photograph: Pixels, result: Pixels, may: Mask, region: Region, *_: Any) -> Pixels:
    """Replace the hidden pixels."""
    return np.where(may[..., None], enlarged(photograph, result, region), photograph)


def feathered(photograph: Pixels, result: Pixels, may: Mask, region: Region, hidden: Mask, *_: Any) -> Pixels:
    """Blend with the photograph inside of the hidden area."""
    distance = cv2.distanceTransform(may.astype(np.uint8), cv2.DIST_L2, 3)
    share = np.clip(distance / (_FEATHER * region.width / len(hidden)), 0, 1)[..., None]
    return np.asarray(
        np.rint(photograph + share * (enlarged(photograph, result, region) - photograph.astype(float))), np.uint8
    )


def poisson(photograph: Pixels, result: Pixels, may: Mask, region: Region, *_: Any) -> Pixels:
    """Solve Poisson's equation with the result's gradients and the photograph at the rim (OpenCV)."""
    rows, columns = np.flatnonzero(may.any(axis=1)), np.flatnonzero(may.any(axis=0))
    centre = int(columns[0] + columns[-1]) // 2, int(rows[0] + rows[-1]) // 2
    source, mask = enlarged(photograph, result, region), may.astype(np.uint8) * 255
    return np.asarray(cv2.seamlessClone(source, photograph, mask, centre, cv2.NORMAL_CLONE), np.uint8)


def by_colours(
    photograph: Pixels, result: Pixels, may: Mask, region: Region, hidden: Mask, pose: Any, _: Any
) -> Pixels:
    """Paste as `trainer sample --src` does without a label map."""
    return paste_back(photograph, result, hidden, region, pose)


def by_outline(
    photograph: Pixels, result: Pixels, may: Mask, region: Region, hidden: Mask, pose: Any, outline: Outline | None
) -> Pixels:
    """Paste as `trainer sample --src` does with the person's label map."""
    return paste_back(photograph, result, hidden, region, pose, outline)


WAYS: dict[str, Way] = {
    "replaced alone": replaced_alone, "feathered": feathered, "Poisson": poisson,
    "paste_back": by_colours, "with the label map": by_outline,
}  # fmt: skip


def seam(image: Pixels, may: Mask) -> tuple[float, float]:
    """Return the mean difference across the rim, and across the outer edge of the hidden area's box, in levels."""
    rows, columns = np.flatnonzero(may.any(axis=1)), np.flatnonzero(may.any(axis=0))
    box = np.zeros_like(may)
    box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return across(image, may), across(image, box)


def across(image: Pixels, mask: NDArray[np.bool_]) -> float:
    """Return the mean difference of two neighbours of which one is in the mask."""
    values = image.astype(float)
    steps = []
    for axis in (0, 1):
        rim = np.diff(mask.astype(np.int8), axis=axis) != 0
        steps.append(np.abs(np.diff(values, axis=axis)).mean(axis=2)[rim])
    return float(np.concatenate(steps).mean())


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--runs", "--shards", "--src"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--people", type=int, default=8)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cpu = torch.device("cpu")
    stages, shards, find = load_cascade(given.runs, cpu), ShardFolder(given.shards, "val"), SourceImages(given.src)
    found: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in ("the photograph", *WAYS)}
    for pair in swapped_pairs(shards, given.people):
        outfit = outfit_of(shards, pair)
        result = dress(stages, [outfit], seed=0, overrides=Overrides(), device=cpu)[0][-1]
        placed = find_original(find, shards, pair.person)
        photograph, hidden = placed.original.seen, hidden_in(outfit.Ia)
        may = replaceable(hidden, placed.region, (photograph.shape[0], photograph.shape[1]))
        outline = outline_of(placed, outfit.Ia, outfit.Jp, outfit.Jg)
        found["the photograph"].append((*seam(photograph, may), 0.0, 0.0))
        for name, way in WAYS.items():
            began = time.perf_counter()
            pasted = way(photograph, result, may, placed.region, hidden, outfit.Jp, outline)
            seconds = time.perf_counter() - began
            changed = float((pasted[~may] != photograph[~may]).any(axis=1).mean())
            found[name].append((*seam(pasted, may), changed, seconds))
    print("| way | across the rim | across the box's edge | kept pixels changed | seconds |\n|---|---|---|---|---|")
    for name, values in found.items():
        rim, box, changed, seconds = np.mean(values, axis=0)
        print(f"| {name} | {rim:.2f} | {box:.2f} | {changed:.1%} | {seconds:.2f} |")


if __name__ == "__main__":
    main()

"""Accuracy of landmarks derived from outlines, on drawn outlines of every kind of garment and of laying out.

    python benchmarks/garment_landmarks.py [--garments N] [--first SEED]

"Right" are the landmarks that the outline shows and the rule gives within 3 % of the longer side of the garment's box;
"wrong" are points given that are farther off, or that the outline does not show. "Unsure" are garments whose confidence
is below the bound under which the build notes `unsure-landmarks`. "Whole" are the garments of which every point is
right and none wrong, of all and of those that are sure. Prints a Markdown table, and processor time per garment.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tests" / "helpers"))
from drawn_outlines import KINDS, Outline, draw

from preprocess.conditioning.masks import box_of
from preprocess.loading.garment_outline import UNSURE, estimate

NEAR = 0.03


@dataclass
class Count:
    shown: int = 0
    right: int = 0
    given: int = 0
    wrong: int = 0
    unsure: int = 0
    whole: int = 0
    sure_and_whole: int = 0
    seconds: float = 0.0

    def add(self, other: Count) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--garments", type=int, default=30, help="of each kind")
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    arguments = parser.parse_args()
    count = arguments.garments
    print("| garments | | right | wrong of given | unsure | whole | of the sure |\n|---|---|---|---|---|---|---|")
    total, sure = Count(), Count()
    for kind in KINDS:
        own = Count()
        for seed in range(arguments.first, arguments.first + count):
            case = compare(draw(kind, seed))
            own.add(case)
            sure.add(Count() if case.unsure else case)
        total.add(own)
        print(row(kind, count, own))
    print(row("all", count * len(KINDS), total))
    print(row("those that are sure", count * len(KINDS) - total.unsure, sure))
    print(f"\n{1000 * total.seconds / max(1, count * len(KINDS)):.1f} ms of one processor per garment")


def compare(outline: Outline) -> Count:
    begun = time.process_time()
    points, confidence = estimate(outline.mask, outline.garment)
    seconds = time.process_time() - begun
    box = box_of(outline.mask)
    assert box is not None
    side = max(part.stop - part.start for part in box)
    given, shown = points[:, 2] > 0, (outline.points[:, 2] > 0) & outline.shown
    near = np.hypot(*(points[:, :2] - outline.points[:, :2]).T) <= NEAR * side
    right = int((given & shown & near).sum())
    wrong = int((given & ~(near & (outline.points[:, 2] > 0))).sum())
    unsure = confidence < UNSURE
    whole = right == int(shown.sum()) and not wrong
    return Count(
        int(shown.sum()), right, int(given.sum()), wrong, int(unsure), int(whole), int(whole and not unsure), seconds
    )


def row(title: str, garments: int, count: Count) -> str:
    share = f"{count.right / max(1, count.shown):.1%} | {count.wrong / max(1, count.given):.1%}"
    wholes = f"{count.whole / max(1, garments):.1%} | {count.sure_and_whole / max(1, garments - count.unsure):.1%}"
    return f"| {title} | {garments} | {share} | {count.unsure} | {wholes} |"


if __name__ == "__main__":
    main()

"""Labels of drawn people that are wrong by more than an edge: how much of the garment Ia then shows, and at what cost.

    python benchmarks/wrong_labels.py [--looks N]

Each row sows one kind of wrong label: sleeve ends labelled as arm or as trousers, a hem labelled as trousers, cloth
beside the hair labelled as hair. Pixels are those of a crop of 256². "Left" is the garment's visible part, without and
with the search for stray cloth; "lost" are other pixels of the person that the search hides; "repaired" and "rejected"
are shares of the people. The first row sows nothing. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np
from agnostic_quality import Case, drawn
from numpy.typing import NDArray

from preprocess.conditioning.agnostic import shown
from preprocess.conditioning.conditions import MOST_STRAY, STRAY
from preprocess.conditioning.crop import person_crop
from preprocess.conditioning.masks import dilated
from preprocess.conditioning.regions import UPPER, WORN, LabelMap, claimed_by, label_map, label_of, pixels_of
from preprocess.formats.images import Mask, cut
from schemas import Garment, Keypoint

Sow = Callable[[LabelMap, NDArray[np.float64]], tuple[Mask, str]]
"""(label map, pose in pixels of the crop) → the pixels to relabel, and the region they are labelled as."""

_LEAST = 0.002
"""Minimum share of the crop that is relabelled for a person to count."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--looks", type=int, default=40)
    looks = parser.parse_args().looks
    print(
        "| garment | labels | people | sown, px | left without, px | left with, px | lost, px | repaired | rejected |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for garment in ("upper", "lower", "dress"):
        for name, sow in (SOWN if garment == "upper" else {"sound": None}).items():
            rows = np.array([row for case in drawn(looks) for row in measured(case, garment, sow)])
            if len(rows):
                means = " | ".join(f"{mean:.0f}" for mean in rows[:, :4].mean(axis=0))
                shares = " | ".join(f"{share:.1%}" for share in rows[:, 4:].mean(axis=0))
                print(f"| {garment} | {name} | {len(rows)} | {means} | {shares} |", flush=True)


def measured(case: Case, garment: Garment, sow: Sow | None) -> Iterator[list[float]]:
    """Yield sown, left without and with the search, lost (pixels of 256²), repaired, rejected; nothing if not worn."""
    crop = person_crop(case.pose, case.parse, garment, (case.pixels.shape[1], case.pixels.shape[0]))
    labels, points = label_map(case.parse, crop), case.pose.points - (crop.x, crop.y, 0.0)
    claimed, truth = claimed_by(case.parse, WORN[garment], crop), pixels_of(labels, WORN[garment])
    if truth.mean() < _LEAST:
        return
    sown, given = np.zeros_like(truth), labels
    if sow is not None:
        sown, name = sow(labels, points)
        if sown.mean() < _LEAST:
            return
        given = np.where(sown, np.uint8(label_of(name)), labels)
    seen = shown(cut(case.pixels, crop), given, claimed & ~sown, points, garment, crop.side)
    stray = np.zeros_like(truth) if seen.stray is None else seen.stray
    left = seen.kept & ~seen.repainted & truth
    pixels = 256**2 / truth.size
    before = left | (stray & truth)
    counts = (sown, before, left, stray & ~truth & (labels > 0))
    share = stray.mean()
    yield [*(float(mask.sum()) * pixels for mask in counts), STRAY < share <= MOST_STRAY, share > MOST_STRAY]


def cuffs(region: str) -> Sow:
    """Relabel the sleeves near the wrists."""

    def sow(labels: LabelMap, points: NDArray[np.float64]) -> tuple[Mask, str]:
        sleeves = pixels_of(labels, frozenset(name for name in UPPER if name.endswith("sleeve")))
        rows, columns = np.indices(labels.shape, np.float32)
        near = np.zeros_like(sleeves)
        for wrist in (Keypoint.LEFT_WRIST, Keypoint.RIGHT_WRIST):
            if points[wrist, 2]:
                near |= np.hypot(columns - points[wrist, 0], rows - points[wrist, 1]) < 0.09 * len(labels)
        return sleeves & near, region

    return sow


def hem(labels: LabelMap, points: NDArray[np.float64]) -> tuple[Mask, str]:
    """Relabel the lower end of the top as trousers."""
    top = pixels_of(labels, UPPER)
    hips = points[[Keypoint.LEFT_HIP, Keypoint.RIGHT_HIP]]
    rows, columns = np.indices(labels.shape)
    side = len(labels)
    middle = hips[:, :2].mean(axis=0)
    below = rows > max(middle[1] - 0.02 * side, float(np.percentile(np.nonzero(top)[0], 93)))
    return top & below & (np.abs(columns - middle[0]) < 0.15 * side) & bool(hips[:, 2].all()), "pants_hip"


def hair(labels: LabelMap, _points: NDArray[np.float64]) -> tuple[Mask, str]:
    """Relabel what lies next to the hair."""
    near = dilated(pixels_of(labels, frozenset({"hair"})), round(0.04 * len(labels)))
    return near & pixels_of(labels, UPPER), "hair"


SOWN: dict[str, Sow | None] = {
    "sound": None,
    "cuffs as arm": cuffs("left_arm"),
    "cuffs as trousers": cuffs("pants_hip"),
    "hem as trousers": hem,
    "cloth as hair": hair,
}

if __name__ == "__main__":
    main()

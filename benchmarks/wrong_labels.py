"""Labels of drawn people that are wrong by more than an edge: how much of the garment Ia then shows, and at what cost.

    python benchmarks/wrong_labels.py [--looks N] [--variety varied] [--seed S] [--cloth skin]

Each row sows one kind of wrong label: sleeve ends labelled as arm or as trousers, a hem labelled as trousers, cloth
beside the hair labelled as hair, sleeves without a label, the ends of legs labelled as shoe or leg, and so on; some in
several sizes. With --cloth the garment gets a colour that its surroundings have: the face's, the wall's or the
trousers'. Pixels are those of a crop of 256². "Left" is the garment's visible part, without and
with the search for stray cloth; "lost" are other pixels of the person that the search hides; "repaired" and "rejected"
are shares of the people. The first row sows nothing. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from agnostic_quality import Case, drawn
from numpy.typing import NDArray

from preprocess.conditioning.agnostic import hidden_box, shown
from preprocess.conditioning.conditions import MOST_STRAY, STRAY
from preprocess.conditioning.crop import person_crop, photo_area
from preprocess.conditioning.masks import dilated
from preprocess.conditioning.regions import LOWER, UPPER, WORN, LabelMap, claimed_by, label_map, label_of, pixels_of
from preprocess.formats.images import Mask, Pixels, cut
from preprocess.label_tables import BACKGROUND
from preprocess.synthetic.outfits import VARIETIES
from schemas import Garment, Keypoint

Sow = Callable[[LabelMap, NDArray[np.float64]], tuple[Mask, str]]
"""(label map, pose in pixels of the crop) → the pixels to relabel, and the region they are labelled as."""

_LEAST = 0.002
"""Minimum share of the crop that is relabelled for a person to count."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--looks", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--variety", choices=VARIETIES, default="easy", help="the set's, as of prep sample-data")
    parser.add_argument("--cloth", choices=("own", *LIKE), default="own", help="what the garment's colour is like")
    options = parser.parse_args()
    cases = list(drawn(options.looks, options.variety, options.seed))
    print(
        "| garment | labels | people | sown, px | left without, px | left with, px | lost, px | repaired | rejected |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for garment, kinds in SOWN.items():
        for name, sow in kinds.items():
            rows = np.array([row for case in cases for row in measured(case, garment, sow, options.cloth)])
            if len(rows):
                means = " | ".join(f"{mean:.0f}" for mean in rows[:, :4].mean(axis=0))
                shares = " | ".join(f"{share:.1%}" for share in rows[:, 4:].mean(axis=0))
                print(f"| {garment} | {name} | {len(rows)} | {means} | {shares} |", flush=True)


def measured(case: Case, garment: Garment, sow: Sow | None, cloth: str = "own") -> Iterator[list[float]]:
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
    photo = photo_area(crop, (case.pixels.shape[1], case.pixels.shape[0]))
    square = coloured(cut(case.pixels, crop), labels, truth, cloth)
    box = hidden_box(given, photo, points)
    assert box is not None
    moved = points - (box[1].start, box[0].start, 0.0)
    seen = shown(square[box], given[box], (claimed & ~sown)[box], moved, garment, crop.side)
    stray, left = np.zeros_like(truth), truth.copy()
    left[box] = seen.kept & ~seen.repainted & truth[box]
    if seen.stray is not None:
        stray[box] = seen.stray
    pixels = 256**2 / truth.size
    before = left | (stray & truth)
    counts = (sown, before, left, stray & ~truth & (labels > 0))
    share = stray.mean()
    yield [*(float(mask.sum()) * pixels for mask in counts), STRAY < share <= MOST_STRAY, share > MOST_STRAY]


def coloured(square: Pixels, labels: LabelMap, worn: Mask, like: str) -> Pixels:
    """Return the crop with the garment in the mean colour of something else, and its own light and shade."""
    of = pixels_of(labels, LIKE[like]) if like in LIKE else np.zeros_like(worn)
    if not of.any():
        return square
    grey = square.mean(axis=2, keepdims=True)
    colour = square[of].mean(axis=0) * np.clip(grey / grey[worn].mean(), 0.7, 1.2)
    result = square.copy()
    result[worn] = np.clip(colour, 0, 255).astype(np.uint8)[worn]
    return result


LIKE: dict[str, frozenset[str]] = {
    "skin": frozenset({"face"}), "wall": frozenset({BACKGROUND}), "trousers": LOWER, "hair": frozenset({"hair"}),
}  # fmt: skip
"""Whose colour the garment has."""


def cuffs(region: str, reach: float = 0.09) -> Sow:
    """Relabel the sleeves near the wrists, up to ``reach`` sides of the crop away."""

    def sow(labels: LabelMap, points: NDArray[np.float64]) -> tuple[Mask, str]:
        return _near(_sleeves(labels), points, (Keypoint.LEFT_WRIST, Keypoint.RIGHT_WRIST), reach), region

    return sow


def sleeve(region: str) -> Sow:
    """Relabel one whole sleeve."""

    def sow(labels: LabelMap, _points: NDArray[np.float64]) -> tuple[Mask, str]:
        return pixels_of(labels, frozenset(name for name in UPPER if name.endswith("lsleeve"))), region

    return sow


def hem(region: str, height: float = 0.07) -> Sow:
    """Relabel the lowest share ``height`` of the top's pixels, near the hips."""

    def sow(labels: LabelMap, points: NDArray[np.float64]) -> tuple[Mask, str]:
        top = pixels_of(labels, UPPER)
        hips = points[[Keypoint.LEFT_HIP, Keypoint.RIGHT_HIP]]
        rows, columns = np.indices(labels.shape)
        side = len(labels)
        middle = hips[:, :2].mean(axis=0)
        lowest = float(np.percentile(np.nonzero(top)[0], 100 * (1 - height)))
        below = rows > max(middle[1] - 0.02 * side, lowest)
        between = np.abs(columns - middle[0]) < 0.15 * side
        return top & below & between & bool(hips[:, 2].all() and pixels_of(labels, LOWER).any()), region

    return sow


def beside_part(part: str, worn: frozenset[str], reach: float = 0.04) -> Sow:
    """Relabel what lies next to a part of the head as that part."""

    def sow(labels: LabelMap, _points: NDArray[np.float64]) -> tuple[Mask, str]:
        near = dilated(pixels_of(labels, frozenset({part})), round(reach * len(labels)))
        return near & pixels_of(labels, worn), part

    return sow


def leg_ends(region: str) -> Sow:
    """Relabel the ends of trousers near the ankles."""

    def sow(labels: LabelMap, points: NDArray[np.float64]) -> tuple[Mask, str]:
        return _near(pixels_of(labels, LOWER), points, (Keypoint.LEFT_ANKLE, Keypoint.RIGHT_ANKLE), 0.07), region

    return sow


def waist(labels: LabelMap, _points: NDArray[np.float64]) -> tuple[Mask, str]:
    """Relabel the upper end of the lower garment as the top."""
    lower = pixels_of(labels, LOWER)
    rows = np.indices(labels.shape)[0]
    return lower & (rows < float(np.percentile(np.nonzero(lower)[0], 7))), "inner_torso"


def _sleeves(labels: LabelMap) -> Mask:
    return pixels_of(labels, frozenset(name for name in UPPER if name.endswith("sleeve")))


def _near(mask: Mask, points: NDArray[np.float64], joints: Sequence[Keypoint], reach: float) -> Mask:
    """Return the mask's pixels up to ``reach`` sides of the crop from one of the joints."""
    rows, columns = np.indices(mask.shape, np.float32)
    near = np.zeros_like(mask)
    for joint in joints:
        if points[joint, 2]:
            near |= np.hypot(columns - points[joint, 0], rows - points[joint, 1]) < reach * len(mask)
    return mask & near


SOWN: dict[Garment, dict[str, Sow | None]] = {
    "upper": {
        "sound": None,
        "cuffs as arm": cuffs("left_arm"),
        "cuffs as trousers, small": cuffs("pants_hip", 0.05),
        "cuffs as trousers": cuffs("pants_hip"),
        "cuffs as trousers, large": cuffs("pants_hip", 0.15),
        "cuffs without a label": cuffs(BACKGROUND),
        "sleeve as arm": sleeve("left_arm"),
        "sleeve as trousers": sleeve("pants_lsleeve"),
        "sleeve without a label": sleeve(BACKGROUND),
        "hem as trousers": hem("pants_hip"),
        "hem as trousers, large": hem("pants_hip", 0.25),
        "hem as skirt": hem("skirt"),
        "cloth as hair, small": beside_part("hair", UPPER, 0.015),
        "cloth as hair": beside_part("hair", UPPER),
        "cloth as neck": beside_part("neck", UPPER),
        "cloth as face": beside_part("face", UPPER),
    },
    "lower": {"sound": None, "leg ends as shoe": leg_ends("left_shoe"), "leg ends as leg": leg_ends("left_leg"),
              "leg ends without a label": leg_ends(BACKGROUND), "waist as top": waist},
    "dress": {"sound": None, "cloth as hair": beside_part("hair", UPPER), "cuffs as arm": cuffs("left_arm")},
}  # fmt: skip

if __name__ == "__main__":
    main()

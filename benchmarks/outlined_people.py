"""How good the regions of `prep annotate --parser outline` are on VITON-HD's test records, whose label maps are known.

    python benchmarks/outlined_people.py [--src DIR] [--weights FOLDER] [--out FOLDER]

Every record twice: with its own pose (OpenPose) and the outline of its label map, and, where mediapipe and u2net.onnx
are there, with estimated ones. Prints the intersection over union of head, upper garment, lower garment and arms, and
pixels of Ia for an upper garment: cloth of it that is shown, face and hair that are hidden. --out keeps each Ia, with
shown cloth in magenta, hidden face in cyan and hidden hair in yellow. Garments of which the record has none count as 1.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.append(str(Path(__file__).parents[1]))  # for environments without the package

from common.errors import UserError
from preprocess.annotation.estimators.choice import Wanted, choose
from preprocess.annotation.estimators.protocols import BodyPose, Estimators, Outliner
from preprocess.annotation.labels.person_labels import estimate_person
from preprocess.annotation.photographs import read_photograph
from preprocess.conditioning.agnostic import ESTIMATED_MARGIN, hidden_box, shown
from preprocess.conditioning.regions import WORN, label_of
from preprocess.faults import RecordError
from preprocess.formats.images import Mask, Pixels
from preprocess.formats.keypoint_files import read_skeletons
from preprocess.formats.label_maps import read_numbers
from preprocess.synthetic.drawing.annotated import MODEL_REGIONS, Drawing

_DATA = Path(os.environ.get("TRYON_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
_GROUPS = {
    "head": ((1, 2, 4, 13), ("hair", "face", "hat")),
    "upper": ((5, 6, 7), ("inner_torso", "inner_rsleeve", "inner_lsleeve")),
    "lower": ((9, 12), ("pants_hip", "skirt")),
    "arms": ((14, 15), ("right_arm", "left_arm")),
}
"""Group → its labels in the map, and its regions."""
_CLOTH, _FACE, _HAIR = (5, 6, 7), (13,), (2,)
_MARKS = ((255, 0, 255), (0, 255, 255), (255, 255, 0))


class TrueOutline:
    """`Outliner` that knows which pixels of one image show the person."""

    def __init__(self, mask: Mask) -> None:
        self.mask = mask

    def outline(self, image: Pixels) -> NDArray[np.float32]:
        assert image.shape[:2] == self.mask.shape
        return self.mask.astype(np.float32)


class Measured(NamedTuple):
    """One record: overlap by group; pixels of cloth shown, of face and of hair hidden; pixels of each."""

    overlaps: dict[str, float]
    wrong: list[int]
    all: list[int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--src", type=Path, default=_DATA / "viton-hd")
    parser.add_argument("--weights", type=Path, action="append", default=[])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    images = sorted(given.src.glob("test/image/*.jpg"))
    if not images:
        print(f"no VITON-HD in {given.src}", file=sys.stderr)
        return
    print(f"| record | {' | '.join(_GROUPS)} | cloth shown | face hidden | hair hidden |\n|{'---|' * 8}")
    for kind in ("true", "estimated"):
        try:
            estimators = loaded(given.weights) if kind == "estimated" else None
            rows = [(path.stem, measured(path, estimators, given.src, given.out)) for path in images]
        except UserError as error:
            print(f"skipped: {error}", file=sys.stderr)
            continue
        for stem, row in rows:
            values = [f"{value:.3f}" for value in row.overlaps.values()]
            print(f"| {stem}, {kind} | {' | '.join([*values, *map(str, row.wrong)])} |")
        means = [f"{np.mean([row.overlaps[group] for _, row in rows]):.3f}" for group in _GROUPS]
        sums = [
            f"{sum(row.wrong[place] for _, row in rows):,} of {sum(row.all[place] for _, row in rows):,}"
            for place in range(3)
        ]
        print(f"| all, {kind} | {' | '.join([*means, *sums])} |")


def loaded(weights: list[Path]) -> Estimators:
    """Return the estimators. Raise UserError if they are missing."""
    return choose(Wanted(parser="outline", weights=tuple(weights)), ["pose", "people"]).estimators


def measured(path: Path, estimators: Estimators | None, src: Path, out: Path | None) -> Measured:
    """Return the figures of one record, with its own pose and outline unless there are estimators."""
    image = read_photograph(path, path.name)
    numbers = read_numbers((src / f"test/image-parse-v3/{path.stem}.png").read_bytes(), path.name).numbers
    outliner: Outliner
    if estimators is None:
        joints = read_skeletons((src / f"test/openpose_json/{path.stem}_keypoints.json").read_bytes(), path.name)
        height, width = numbers.shape
        people = [BodyPose((0.0, 0.0, float(width), float(height)), 1.0, joints.people[0])]
        outliner = TrueOutline(numbers > 0)
    else:
        (people,) = estimators.pose.poses([image])
        assert isinstance(estimators.people, Outliner)
        outliner = estimators.people
    try:
        drawing = estimate_person(image, people, outliner, least=0.5, strict=False, name=path.name).drawing
    except RecordError as error:
        print(f"{path.name}: {error.reason}: {error.detail}", file=sys.stderr)
        return Measured(dict.fromkeys(_GROUPS, 0.0), [0] * 3, [0] * 3)
    kept = kept_in_agnostic(drawing)
    parts = [np.isin(numbers, labels) for labels in (_CLOTH, _FACE, _HAIR)]
    wrong = [parts[0] & kept, parts[1] & ~kept, parts[2] & ~kept]
    if out is not None:
        picture = np.where(kept[..., None], image, np.uint8(128))
        for mask, colour in zip(wrong, _MARKS, strict=True):
            picture[mask] = colour
        out.mkdir(parents=True, exist_ok=True)
        kind = "true" if estimators is None else "estimated"
        cv2.imwrite(str(out / f"{path.stem}-{kind}.png"), np.ascontiguousarray(picture[..., ::-1]))
    overlaps = {}
    for group, (true, regions) in _GROUPS.items():
        one, other = np.isin(numbers, true), np.isin(drawing.labels, [MODEL_REGIONS.index(name) for name in regions])
        overlaps[group] = float((one & other).sum() / (one | other).sum()) if (one | other).any() else 1.0
    return Measured(overlaps, [int(mask.sum()) for mask in wrong], [int(mask.sum()) for mask in parts])


def kept_in_agnostic(drawing: Drawing) -> Mask:
    """Return the pixels of the image that Ia for an upper garment shows as they were photographed."""
    table = np.zeros(256, np.uint8)
    for number, name in enumerate(MODEL_REGIONS):
        table[number] = label_of(name)
    labels = np.asarray(cv2.LUT(drawing.labels, table), np.uint8)
    height, width = labels.shape
    box = hidden_box(
        np.pad(labels, ((0, max(0, width - height)), (0, max(0, height - width)))), (slice(0, height), slice(0, width))
    )
    kept: Mask = np.ones(labels.shape, np.bool_)
    if box is None:
        return kept
    points = drawing.keypoints.copy()
    points[:, 2] = np.where(points[:, 2] > 1, 1.0, np.where(points[:, 2] > 0, 0.5, 0.0))
    claimed = np.isin(labels, [label_of(name) for name in WORN["upper"]])
    rows, columns = (slice(part.start, min(part.stop, size)) for part, size in zip(box, labels.shape, strict=True))
    inside = (rows, columns)
    seen = shown(
        drawing.image[inside], labels[inside], claimed[inside], points - (columns.start, rows.start, 0.0), "upper",
        max(height, width), margin=ESTIMATED_MARGIN,
    )  # fmt: skip
    kept[inside] = seen.kept & ~seen.repainted
    return kept


if __name__ == "__main__":
    main()

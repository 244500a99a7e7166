"""Quality of Ia (garment pixels left, person pixels lost) on drawn people with known labels, and on the real looks.

    python benchmarks/agnostic_quality.py [--looks N] [--variety varied]

Counts pixels at source resolution inside the crop. "Left" are pixels of what the garment may cover that are visible in
Ia; the other columns are the hidden shares of face, hair, hands (the arm beyond the wrist), and the rest of the other
half of the body. On the real looks the parse is the only ground truth, and its polygons of hair and hands include some
cloth: they are counted as they are, and again after correction by GrabCut (Rother et al. 2004). Prints a Markdown
table, worst look in brackets.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.agnostic import shown
from preprocess.conditioning.crop import person_crop, torso
from preprocess.conditioning.limbs import along
from preprocess.conditioning.masks import box_of, dilated, eroded
from preprocess.conditioning.regions import ARMS, LOWER, SHOES, UPPER, WORN, claimed_by, label_map, pixels_of
from preprocess.formats.aihub_json import Parse, Pose, read_model_parse, read_pose
from preprocess.formats.images import Mask, cut, decode
from preprocess.planning.pairing import records
from preprocess.sources import Files
from preprocess.sources.aihub import open_aihub
from preprocess.synthetic.drawing.annotated import BACKGROUND, MODEL_REGIONS
from preprocess.synthetic.label_files import model_parse, model_pose
from preprocess.synthetic.outfits import VARIETIES, Variety, make_plan
from preprocess.synthetic.people.look import draw_look
from preprocess.synthetic.people.pose import FRAMES, frame_yaw
from schemas import Crop, Garment

_HAND = 0.42
"""Length of the box that holds a hand, and twice its half-width, in torso lengths."""

_UNSURE = 12
"""Distance from a polygon's edge, in pixels, within which GrabCut decides; real polygons are off by up to ten."""

KINDS: tuple[Garment, ...] = ("upper", "lower", "dress")


@dataclass(frozen=True)
class Case:
    """A person with annotations and ground truth: region → its pixels in the full image, None if unknown."""

    pixels: NDArray[np.uint8]
    pose: Pose
    parse: Parse
    truth: NDArray[np.uint8] | None
    corrected: bool = False
    """Whether hair and hands are what GrabCut leaves of their polygons"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--looks", type=int, default=60)
    parser.add_argument("--variety", choices=VARIETIES, default="easy", help="the drawn set's, as of prep sample-data")
    options = parser.parse_args()
    print("| data | garment | pictures | garment left, px | face lost | hair lost | hands lost | other half lost |")
    print("|---|---|---|---|---|---|---|---|")
    for title, cases in (
        ("drawn", drawn(options.looks, options.variety)),
        ("real", real()),
        ("real, corrected", real(corrected=True)),
    ):
        rows: dict[Garment, list[NDArray[np.float64]]] = defaultdict(list)
        for case in cases:
            for kind in KINDS:
                if (row := measure(case, kind)) is not None:
                    rows[kind].append(row)
        for kind, found in rows.items():
            table = np.array(found)
            cells = [f"{table[:, 0].sum():.0f} ({table[:, 0].max():.0f})"]
            cells += [f"{np.nanmean(c):.2%} ({np.nanmax(c):.2%})" for c in table[:, 1:].T if not np.isnan(c).all()]
            print(f"| {title} | {kind} | {len(table)} | {' | '.join(cells)} |")


def drawn(looks: int, variety: Variety = "easy", seed: int = 1) -> Iterator[Case]:
    plan = make_plan(looks, seed, variety)
    for look in plan.looks:
        garments = [plan.items[item].garment() for item in look.items]
        stance = look.stance()
        for frame in FRAMES:
            drawing = draw_look(look.wearer(), stance, frame_yaw(stance, frame), garments)
            stem = f"{look.id}_{frame}"
            yield Case(
                drawing.image,
                read_pose(json.dumps(model_pose(drawing, stem)).encode(), stem),
                read_model_parse(json.dumps(model_parse(drawing, stem)).encode(), stem),
                drawing.labels,
            )


def real(*, corrected: bool = False) -> Iterator[Case]:
    folder = Path(os.environ.get("TRYON_REAL_DATA", Path(__file__).parents[2] / "shared" / "data")) / "aihub-sample"
    if not folder.is_dir():
        return
    files = Files(folder)
    for record in records(open_aihub(files), "upper"):
        parse = read_model_parse(files.read(record.person_parse), record.person_parse)
        pixels, _ = decode(files.read(record.person_image), record.person_image, parse.image_size)
        yield Case(pixels, read_pose(files.read(record.person_pose), record.person_pose), parse, None, corrected)


def measure(case: Case, kind: Garment) -> NDArray[np.float64] | None:
    """Return garment pixels left, and the lost shares of face, hair, hands and the other half; None if not worn."""
    crop = person_crop(case.pose, case.parse, kind, (case.pixels.shape[1], case.pixels.shape[0]))
    labels = label_map(case.parse, crop)
    points = case.pose.points - (crop.x, crop.y, 0.0)
    claimed = claimed_by(case.parse, WORN[kind], crop)
    square = cut(case.pixels, crop)
    _, kept, repainted, _ = shown(square, labels, claimed, points, kind, crop.side)

    def truth(names: frozenset[str]) -> Mask:
        return pixels_of(labels, names) if case.truth is None else _in_crop(case.truth, names, crop)

    if not truth(WORN[kind]).any():
        return None
    half = truth({"upper": LOWER | SHOES, "lower": UPPER | ARMS | SHOES, "dress": SHOES}[kind])
    hands = _hands(truth, points, crop.side)
    hair = truth(frozenset({"hair"}))
    if case.corrected:
        hair, hands = grab_cut(square, hair), grab_cut(square, hands)
    parts = (truth(frozenset({"face"})), hair, hands, half & ~hands)
    lost = [(part & ~kept).sum() / part.sum() if part.sum() > 200 else np.nan for part in parts]
    return np.array([(kept & ~repainted & truth(WORN[kind])).sum(), *lost], np.float64)


def _hands(truth: Callable[[frozenset[str]], Mask], points: NDArray[np.float64], side: int) -> Mask:
    body = torso(points)
    reach = _HAND * (body[2] if body else 0.0)
    result = np.zeros((side, side), np.bool_)
    for name, elbow, wrist in (("right_arm", 8, 10), ("left_arm", 7, 9)):
        bone = points[wrist, :2] - points[elbow, :2]
        length = float(np.hypot(*bone))
        if points[[elbow, wrist], 2].all() and length > 20:  # shorter: the forearm points at the camera
            whole = slice(0, side), slice(0, side)
            past = along(whole, points[wrist, :2], bone / length)
            across = along(whole, points[wrist, :2], np.array([-bone[1], bone[0]]) / length)
            result |= truth(frozenset({name})) & (past > 0) & (past < reach) & (np.abs(across) < reach / 2)
    return result


def grab_cut(square: NDArray[np.uint8], polygon: Mask) -> Mask:
    """Return the pixels of the polygon that belong to the object at its centre, by colours and edges (GrabCut)."""
    result = np.zeros_like(polygon)
    _, pieces = cv2.connectedComponents(polygon.view(np.uint8))
    for piece in range(1, pieces.max() + 1):
        own = pieces == piece
        box = box_of(own, 3 * _UNSURE)
        if box is None or own.sum() < 200:
            continue
        here = own[box]
        state = np.where(here, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
        state[dilated(here, _UNSURE) & ~here] = cv2.GC_PR_BGD
        state[eroded(here, _UNSURE)] = cv2.GC_FGD
        if not (state == cv2.GC_FGD).any():
            continue
        cv2.setRNGSeed(0)
        picture, models = np.ascontiguousarray(square[box]), (np.zeros((1, 65)), np.zeros((1, 65)))
        cv2.grabCut(picture, state, (0, 0, 0, 0), *models, 8, cv2.GC_INIT_WITH_MASK)
        result[box] |= here & ((state == cv2.GC_FGD) | (state == cv2.GC_PR_FGD))
    return result


def _in_crop(labels: NDArray[np.uint8], names: frozenset[str], crop: Crop) -> Mask:
    numbers = [number for number, name in enumerate(MODEL_REGIONS) if name in names]
    mask = np.isin(labels, numbers) & (labels != BACKGROUND)
    padded = np.pad(mask, crop.side)
    top, left = crop.y + crop.side, crop.x + crop.side
    return padded[top : top + crop.side, left : left + crop.side]


if __name__ == "__main__":
    main()

"""What varies in the varied set of drawn people, how far its outline landmarks are off, and how long it takes to draw.

python benchmarks/drawn_variety.py [--seeds 500] [--looks 8]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np

from preprocess.synthetic.drawing.annotated import BACKGROUND
from preprocess.synthetic.drawing.palette import distance
from preprocess.synthetic.garments.garment import KINDS, Kind
from preprocess.synthetic.garments.item import draw_item
from preprocess.synthetic.garments.varied_garments import varied_garment
from preprocess.synthetic.outfits import VARIETIES, Variety, make_plan
from preprocess.synthetic.outline_landmarks import with_outline_landmarks
from preprocess.synthetic.people.look import draw_look
from preprocess.synthetic.people.pose import FRAMES, frame_yaw
from preprocess.synthetic.people.varied_people import varied_person, varied_pose

NEAR = 30.0
"""Perceptual distance below which two colours are hard to tell apart."""


def share(flags: Sequence[bool]) -> str:
    """Return a share in per cent."""
    return f"{100 * sum(flags) / len(flags):.0f} %"


def spread(values: Sequence[float]) -> str:
    """Return the 10th and the 90th percentile."""
    low, high = np.percentile(values, (10, 90))
    return f"{low:.3g} to {high:.3g}"


def print_variety(seeds: int) -> None:
    """Print what the attributes of poses, people and tops are."""
    poses = [varied_pose(seed) for seed in range(seeds)]
    people = [varied_person(seed) for seed in range(seeds)]
    tops = [varied_garment(seed, "top") for seed in range(seeds)]
    for hold in ("crossed", "pocket", "hip", "behind", "raised"):
        print(f"an arm {hold}: {share([hold in (pose.left.hold, pose.right.hold) for pose in poses])}")
    print(f"head turned by more than 24 degrees: {share([abs(pose.head_turn) > 24 for pose in poses])}")
    print(f"hair over the garment: {share([max(person.hair_front) > 0.3 for person in people])}")
    wears = [pose.wear for pose in poses if pose.wear]
    print(
        f"tucked in: {share([wear.tucked for wear in wears])}; rolled: {share([wear.rolled < 0.9 for wear in wears])}"
    )
    print(f"width of tops beyond the average chest: {spread([top.ease for top in tops])}")
    print(f"hem of tops: {spread([top.hem for top in tops])}; waist: {spread([person.waist for person in people])}")
    photographs = [pose.photograph for pose in poses if pose.photograph]
    for name in ("zoom", "tilt", "blur", "noise", "quality"):
        print(f"{name}: {spread([float(getattr(photograph, name)) for photograph in photographs])}")
    textiles = [top.textile for top in tops if top.textile]
    print(f"tops with an artwork: {share([textile.front is not None for textile in textiles])}")
    grounds = [textile.colours[0] for textile in textiles[:200]]
    near = [sum(distance(one, other) < NEAR for other in grounds) - 1 for one in grounds]
    print(f"of 200 tops' ground colours, near one (median): {np.median(near):.0f}")


def print_landmarks(kind: Kind, seeds: int = 20) -> None:
    """Print the distance of outline landmarks from true ones, in parts of the garment's height."""
    away: list[float] = []
    absent = points = 0
    for seed in range(seeds):
        garment = varied_garment(seed, kind)
        drawing = draw_item(garment, back=False)
        true, found = drawing.keypoints, with_outline_landmarks(drawing, garment.slot).keypoints
        known, seen = true[:, 2] > 0, found[:, 2] > 0
        points, absent = points + int(known.sum()), absent + int((known & ~seen).sum())
        height = np.ptp(np.nonzero(drawing.labels != BACKGROUND)[0])
        away += (np.hypot(*(true - found)[known & seen, :2].T) / height).tolist()
    middle, high = np.percentile(away, (50, 90))
    print(f"landmarks of {kind}: median {middle:.3f}, 90th percentile {high:.3f}, absent {absent / points:.0%}")


def print_speed(variety: Variety, looks: int) -> None:
    """Print CPU seconds per image, without files."""
    plan = make_plan(looks, 5, variety)
    started = time.process_time()
    for look in plan.looks:
        stance, outfit = look.stance(), [plan.items[item].garment() for item in look.items]
        for frame in FRAMES:
            draw_look(look.wearer(), stance, frame_yaw(stance, frame), outfit)
    people = (time.process_time() - started) / (looks * len(FRAMES))
    started = time.process_time()
    for item in plan.items.values():
        draw_item(item.garment(), back=False)
    products = (time.process_time() - started) / len(plan.items)
    print(f"{variety}: {people:.3f} s a person, {products:.3f} s a product")


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--looks", type=int, default=8)
    arguments = parser.parse_args()
    print_variety(arguments.seeds)
    for kind in KINDS:
        print_landmarks(kind)
    for variety in VARIETIES * 2:
        print_speed(variety, arguments.looks)


if __name__ == "__main__":
    main()

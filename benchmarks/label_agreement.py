"""How many labels that do not belong to their image are found, how many put right, and how many sound ones accused.

    python benchmarks/label_agreement.py [--people 40] [--data ../shared/data]

On drawn people, and on the VITON-HD records of --data where they are: label maps, poses or both are turned, mirrored,
scaled or exchanged, and maps averaged. Counts records that come out as their truth, that are rejected or noted, and
that are taken for sound.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/helpers"))
from drawn_sets import label_map, look

from preprocess.conditioning.turns import SIDEWAYS, UPRIGHT, Turn
from preprocess.faults import Fault, RecordError
from preprocess.formats.images import Pixels, decode
from preprocess.formats.keypoint_files import Skeletons, read_skeletons
from preprocess.formats.label_borders import borders_of, repaired
from preprocess.loading.matching import Evidence, match
from schemas import FLIP

_SIDED = ((14, 15), (16, 17), (18, 19))
_GRIDS = ((384, 512), (192, 256), (512, 512))
_WRONG = 3.0
"""Pixels from which a joint is in the wrong place."""


@dataclass(frozen=True)
class Person:
    """An image, its label map by CIHP's table, and its skeletons; the first one is the truth."""

    pixels: Pixels
    numbers: NDArray[np.uint8]
    people: tuple[NDArray[np.float64], ...]
    truth: NDArray[np.uint8]
    points: NDArray[np.float64]


def real(folder: Path) -> Iterator[Person]:
    """Yield the VITON-HD records that have a pose."""
    for path in sorted(folder.glob("viton-hd/test/image-parse-v3/*.png")):
        pose = path.parents[1] / f"openpose_json/{path.stem}_keypoints.json"
        image = path.parents[1] / f"image/{path.stem}.jpg"
        numbers = np.asarray(Image.open(path), np.uint8)
        points = read_skeletons(pose.read_bytes(), pose.name).people[0]
        yield Person(decode(image.read_bytes(), image.name, None)[0], numbers, (points,), numbers, points)


def drawn(count: int) -> Iterator[Person]:
    """Yield drawn people in tops and trousers."""
    for seed in range(1, count + 1):
        pixels, regions, points = look(seed, ("top", "trousers"))
        known = points * (1, 1, 0) + (0, 0, 1) * (points[:, 2:] > 0)
        numbers = label_map(regions, "cihp")
        yield Person(pixels, numbers, (known,), numbers, known)


def sown(person: Person, stranger: Person) -> Iterator[tuple[str, Person]]:
    """Yield each kind of wrong labels, and the sound record."""
    size = person.numbers.shape[1], person.numbers.shape[0]
    yield "sound", person
    for turn in (*UPRIGHT[1:], *SIDEWAYS):
        kind = "mirrored" if turn.mirrors else "turned"
        turned, points, sides = _turned(person, turn, size)
        yield f"map {kind}", replace(person, numbers=turned)
        truth = sides[person.truth]
        yield f"map and pose {kind}", replace(person, numbers=sides[turned], people=(points,), truth=truth)
        if not turn.mirrors:
            yield "pose turned", replace(person, people=(points,))
    for grid in _GRIDS:
        scaled = person.points * (grid[0] / size[0], grid[1] / size[1], 1)
        yield "pose of another size", replace(person, people=(scaled,))
    small = person.points * (0.5, 0.5, 1) + (0.3 * size[0], 0.3 * size[1], 0) * (person.points[:, 2:] > 0)
    own = person.points.copy()
    own[13:] = 0
    yield "own skeleton among others", replace(person, people=(stranger.points, small, own), points=own)
    yield "pose of somebody smaller", replace(person, people=(small,))
    yield "pose of another record", replace(person, people=(stranger.points,))


def _turned(
    person: Person, turn: Turn, size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.uint8]]:
    """Return the turned map, the turned pose, and the numbers' sides, as estimators see them in the turned image."""
    points, sides = turn.of_points(person.points, size), np.arange(256, dtype=np.uint8)
    if turn.mirrors:
        points = points[list(FLIP)]
        for left, right in _SIDED:
            sides[[left, right]] = right, left
    return np.ascontiguousarray(turn.of(person.numbers)), points, sides


def outcome(person: Person) -> str:
    """Return what becomes of a record."""
    evidence = Evidence(person.numbers, Skeletons(person.people, None, False), "cihp", None, "pose", "map")
    try:
        found = match(evidence, (person.pixels.shape[1], person.pixels.shape[0]), person.pixels)
    except RecordError:
        return "rejected"
    known = person.points[:, 2] > 0
    apart = np.abs(found.points[known, :2] - person.points[known, :2]).max()
    if found.numbers.shape == person.truth.shape and np.array_equal(found.numbers, person.truth) and apart < _WRONG:
        return "right"
    return "noted" if Fault.DOUBTFUL_LABELS in found.faults else "taken for sound"


def averaged(numbers: NDArray[np.uint8]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield the map, averaged in each way."""
    height, width = numbers.shape
    scaled = (2, "bilinear ×2", Image.Resampling.BILINEAR), (4, "bicubic ×4", Image.Resampling.BICUBIC)
    for by, name, smooth in scaled:
        small = Image.fromarray(numbers).resize((width // by, height // by), Image.Resampling.NEAREST)
        yield name, np.asarray(small.resize((width, height), smooth))
    for quality in (95, 75):
        data = cv2.imencode(".jpg", numbers, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        yield f"JPEG {quality}", np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def report(name: str, people: list[Person]) -> None:
    """Print the tables of one set of people."""
    counts: dict[str, Counter[str]] = {}
    for place, person in enumerate(people):
        for kind, wrong in sown(person, people[(place + 1) % len(people)]):
            counts.setdefault(kind, Counter())[outcome(wrong)] += 1
    for kind, found in counts.items():
        cells = " | ".join(str(found[column]) for column in ("right", "rejected", "noted", "taken for sound"))
        print(f"| {name} | {kind} | {found.total()} | {cells} |")
    print()
    accused = sum(borders_of(person.numbers).averaged for person in people)
    print(f"| {name} | sound | {len(people)} | {accused} | | |")
    shares: dict[str, list[tuple[bool, int, int]]] = {}
    for person in people:
        for kind, numbers in averaged(person.numbers):
            fixed = repaired(numbers)
            after = -1 if fixed is None else int(np.count_nonzero(fixed != person.numbers))
            row = borders_of(numbers).averaged, int(np.count_nonzero(numbers != person.numbers)), after
            shares.setdefault(kind, []).append(row)
    for kind, rows in shares.items():
        before, after = (int(np.median([row[column] for row in rows])) for column in (1, 2))
        print(f"| {name} | {kind} | {len(rows)} | {sum(row[0] for row in rows)} | {before:,} | {after:,} |")
    print()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    options = parser.parse_args()
    if records := list(real(options.data)):
        report("real", records)
    report("drawn", list(drawn(options.people)))


if __name__ == "__main__":
    main()

"""Cards of the shown samples: their images, with the poses as SVG overlays."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from common.storage import Storage
from preprocess.formats.images import encode_webp, resize
from preprocess.inspection.page.entry import Entry
from preprocess.inspection.page.scan import read_members
from preprocess.inspection.verification.members import Decoded
from preprocess.sharding.folder import read_index
from schemas import AGNOSTIC, GARMENT, JG, JP, KEYPOINTS, PERSON_256, SKELETON, Plan, Sample, layout_of

CELL: Final = 192
"""Side of an image on the page, in pixels; Ip, Ia and Ic lie side by side."""
QUALITY: Final = 75
"""WebP quality of the images on the page."""


@dataclass(frozen=True)
class Drawing:
    """Lines and points of one side of the body, one SVG path each; an image's side is 100 units."""

    side: str
    lines: str
    points: str


@dataclass(frozen=True)
class Card:
    """One sample as shown on the page."""

    entry: Entry
    sample: Sample
    picture: str
    """Ip, Ia and Ic side by side, WebP in base64."""
    poses: tuple[Drawing, ...]


def make_cards(folder: Storage, plan: Plan, entries: Sequence[Entry]) -> Iterator[Card]:
    """Yield the card of each sample, shard by shard; those that changed since they were chosen are skipped."""
    planned, layout = {shard.name: shard for shard in plan.shards}, layout_of(plan.configuration)
    by_shard = sorted(entries, key=lambda entry: entry.shard)
    for name, of_shard in groupby(by_shard, key=lambda entry: entry.shard):
        if index := read_index(folder, planned[name]):
            places = {sample.key: sample for sample in index.samples}
            with folder.open(name) as file:
                for entry in of_shard:
                    if entry.key in places:
                        decoded = read_members(file, index, places[entry.key], layout)
                        if decoded.sample and not decoded.problems:
                            yield _card(entry, decoded.sample, decoded)


def _card(entry: Entry, sample: Sample, decoded: Decoded) -> Card:
    strip = np.hstack([resize(decoded.pictures[ending], CELL) for ending in (PERSON_256, AGNOSTIC, GARMENT)])
    picture = base64.b64encode(encode_webp(strip, QUALITY)).decode()
    return Card(entry, sample, picture, _drawings({0: decoded.poses[JP], 200: decoded.poses[JG]}))


def _drawings(poses: Mapping[int, NDArray[np.float32]]) -> tuple[Drawing, ...]:
    """Draw the poses; ``poses`` maps the left edge of an image to its pose."""
    sides: dict[str, tuple[list[str], list[str]]] = {side: ([], []) for side in ("left", "right", "middle")}
    for left, pose in poses.items():
        at = [f"{left + 100 * x:.1f} {100 * y:.1f}" for x, y, _ in pose.tolist()]
        for one, other in SKELETON:
            if pose[one, 2] and pose[other, 2]:
                names = {_side(one), _side(other)}
                sides[names.pop() if len(names) == 1 else "middle"][0].append(f"M{at[one]}L{at[other]}")
        for slot in range(len(KEYPOINTS)):
            if pose[slot, 2]:
                sides[_side(slot)][1].append(f"M{at[slot]}h0")
    return tuple(Drawing(side, "".join(lines), "".join(points)) for side, (lines, points) in sides.items())


def _side(slot: int) -> str:
    side = KEYPOINTS[slot].partition("_")[0]
    return side if side in ("left", "right") else "middle"

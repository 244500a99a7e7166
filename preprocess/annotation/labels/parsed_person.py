"""Body regions, as in AI-Hub's parse, from a label map of a person: a parser's, or one of the user's own.

A map says what skin and pose alone can only guess: hats, scarves, bare torsos, coats over tops, bags. Regions that
AI-Hub's parse does not have get no region, which Ia hides. Map and pose are compared with each other as those of a
dataset are (`loading.matching`): where they contradict each other, the photograph is rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.annotation.estimators.protocols import Parser
from preprocess.annotation.labels.given_labels import table_of
from preprocess.conditioning.masks import Box
from preprocess.faults import Fate, Fault, RecordError
from preprocess.formats.aihub_json import Pose
from preprocess.formats.images import Mask, Pixels
from preprocess.formats.keypoint_files import Skeletons
from preprocess.formats.label_maps import Numbers, PixelParse, parse_of
from preprocess.formats.pose_sides import view_of
from preprocess.label_tables import Pixelwise
from preprocess.loading.label_map_subjects import without_neck
from preprocess.loading.matching import Evidence, match, with_sides_swapped
from preprocess.loading.unsided_limbs import with_sides
from preprocess.synthetic.drawing.annotated import BACKGROUND, MODEL_REGIONS
from preprocess.synthetic.drawing.canvas import U8
from schemas import TORSO

T = TypeVar("T")

_MARGIN: Final = 0.15
"""Margin around the person's box in which masks are estimated, as a share of its longer side."""
_TORSO: Final = list(TORSO)
_SAME: Final = {
    "dress_torso": "inner_torso", "dress_rsleeve": "inner_rsleeve", "dress_lsleeve": "inner_lsleeve", "socks": "legs",
}  # fmt: skip
"""Regions of label maps that AI-Hub's parse has under another name; `legs` are given their sides afterwards."""


class Regions(NamedTuple):
    """Each pixel's region number, 255 for none, (h, w); the pose (17, 3) as in AI-Hub's files; what to review."""

    labels: U8
    pose: NDArray[np.float64]
    notes: tuple[str, ...]


def parsed_regions(
    image: Pixels, person: tuple[float, float, float, float], pose: NDArray[np.float64], parser: Parser, name: str
) -> tuple[U8, dict[str, float], tuple[str, ...]]:
    """Return the regions that a parser finds in the person's box, its confidence, and what to review.

    Raise RecordError if there is no person, or pose and map contradict each other.
    """
    view, found, mask = look_at_person(image, person, pose, parser.parse, lambda found: found.numbers > 0)
    if not mask.any():
        raise RecordError(Fault.UNSURE_PERSON, name, "the parser finds no person where the pose is; take another photo")
    numbers = np.where(mask, found.numbers, 0).astype(np.uint8)
    regions = matched_regions(numbers, as_skeletons([view.pose]), parser.labels, view.image, name, name)
    labels = np.full(image.shape[:2], BACKGROUND, np.uint8)
    labels[view.box] = regions.labels
    return labels, {"clothes": found.confidence}, regions.notes


def matched_regions(
    numbers: NDArray[np.uint8], people: Skeletons, table: Pixelwise | None, image: Pixels, pose: str, parse: str
) -> Regions:
    """Return the regions of a map, and the pose of the one of ``people`` whom it shows.

    ``table`` is the map's, None to infer it from the pose. Raise RecordError if they contradict each other.
    """
    if not any((points[:, 2] > 0).any() for points in people.people):
        raise RecordError(Fault.NO_PERSON_POSE, pose, "no known joint; give another pose, or none")
    labels = table or table_of(numbers, people, parse)
    matched = match(Evidence(numbers, people, labels, None, pose, parse), (image.shape[1], image.shape[0]), None)
    turned = {Fault.TURNED_LABELS, Fault.TURNED_IMAGE, Fault.OTHER_GRID} & set(matched.faults)
    if turned:
        raise RecordError(
            Fault.FOREIGN_POSE, pose, f"pose and label map agree only if one is turned or scaled ({parse})"
        )
    mapped = parse_of(Numbers(matched.numbers, ()), parse, labels)
    if matched.sides_swapped:
        mapped = replace(mapped, names=with_sides_swapped(mapped.names))
    mapped = replace(mapped, names=tuple(_SAME.get(name, name) for name in mapped.names))
    if "head" in mapped.names:
        mapped = without_neck(mapped, Pose(matched.points, view_of(matched.points), None, ()), pose)
    noted = [fault.meaning for fault in matched.faults if fault.fate is Fate.NOTED]
    return Regions(_numbered(with_sides(mapped, matched.points)), _as_aihub(matched.points), tuple(noted))


def as_skeletons(poses: Sequence[NDArray[np.float64]]) -> Skeletons:
    """Return poses as those of a file: a joint is known, or known with a low score where it is hidden."""
    people = []
    for pose in poses:
        points = pose.copy()
        points[:, 2] = np.where(pose[:, 2] > 1, 1.0, np.where(pose[:, 2] > 0, 0.5, 0.0))
        people.append(points)
    return Skeletons(tuple(people), None, fractions=False)


def around(box: tuple[float, float, float, float], shape: tuple[int, int]) -> Box:
    """Return rows and columns of a person's box with a margin, inside the image."""
    left, top, right, bottom = box
    margin = _MARGIN * max(right - left, bottom - top)
    return (
        slice(max(0, round(top - margin)), min(shape[0], round(bottom + margin))),
        slice(max(0, round(left - margin)), min(shape[1], round(right + margin))),
    )


class View(NamedTuple):
    """A part of an image, and a pose (17, 3) in it, whose absent joints are zero."""

    box: Box
    image: Pixels
    pose: NDArray[np.float64]


def look_at_person(
    image: Pixels,
    person: tuple[float, float, float, float],
    pose: NDArray[np.float64],
    estimate: Callable[[Pixels], T],
    mask_of: Callable[[T], Mask],
) -> tuple[View, T, Mask]:
    """Return the part of the image that was looked at, what was estimated there, and the person's mask.

    A person who reaches beyond the box of the joints, as legs do whose knees were not found, is looked at again in the
    whole image: what is cut off would count as background, and be shown.
    """
    height, width = image.shape[:2]
    for box in (around(person, (height, width)), (slice(0, height), slice(0, width))):
        moved = pose - (box[1].start, box[0].start, 0.0)
        moved[pose[:, 2] == 0] = 0
        view = View(box, np.ascontiguousarray(image[box]), moved)
        found = estimate(view.image)
        mask = connected(mask_of(found), moved)
        if not _is_cut_off(mask, box, (height, width)):
            break
    return view, found, mask


def _is_cut_off(mask: Mask, box: Box, shape: tuple[int, int]) -> bool:
    """Return whether a mask reaches an edge of the box that is not the image's own."""
    rows, columns = box
    edges = (
        (rows.start > 0, mask[0]), (rows.stop < shape[0], mask[-1]),
        (columns.start > 0, mask[:, 0]), (columns.stop < shape[1], mask[:, -1]),
    )  # fmt: skip
    return any(is_inner and bool(edge.any()) for is_inner, edge in edges)


def connected(mask: Mask, pose: NDArray[np.float64]) -> Mask:
    """Return the components of a mask that contain a known joint of the torso, or the whole mask if none does."""
    _, numbers = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    torso = pose[_TORSO]
    kept = {int(numbers[y, x]) for x, y in inside(torso[torso[:, 2] > 0, :2], mask)} - {0}
    found: Mask = np.isin(numbers, list(kept)) if kept else mask
    return found


def inside(points: NDArray[np.float64], mask: Mask) -> list[tuple[int, int]]:
    """Return the points rounded to pixels and clipped to the image."""
    height, width = mask.shape
    return [(min(max(round(x), 0), width - 1), min(max(round(y), 0), height - 1)) for x, y in points.tolist()]


def _numbered(parse: PixelParse) -> U8:
    table = np.full(256, BACKGROUND, np.uint8)
    for number, name in enumerate(parse.names):
        if name in MODEL_REGIONS:
            table[number] = MODEL_REGIONS.index(name)
    return np.asarray(cv2.LUT(parse.numbers, table), np.uint8)


def _as_aihub(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the pose with 0 for absent, 1 for unsure and 2 for known joints."""
    pose = points.copy()
    pose[:, 2] = np.where(points[:, 2] >= 1, 2.0, np.where(points[:, 2] > 0, 1.0, 0.0))
    pose[pose[:, 2] == 0] = 0
    return pose

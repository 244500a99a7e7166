"""Reads the user's own labels, scaled to the photograph beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.annotation.own_labels import OwnLabels
from preprocess.annotation.photographs import size_of
from preprocess.faults import Fault, RecordError
from preprocess.formats.images import Mask, Pixels
from preprocess.formats.keypoint_files import Skeletons, read_skeletons
from preprocess.formats.label_maps import Numbers, read_numbers
from preprocess.formats.stored_masks import StoredMask, read_stored_mask
from preprocess.label_tables import NAMES, UNUSED, Pixelwise, label_names
from preprocess.loading.matching import Evidence, fitted

_SHAPE: Final = 0.02
"""How much the shape of a map or mask may differ from its photograph's."""
_SOUND, _CLEARLY = 0.7, 0.015
"""Agreement of pose and map by a table, and how much less any other table's is, for the table to be taken."""
_USUAL: Final = ("cihp", "lip", "atr", "fashn", "aihub-pixels")
"""Tables tried for the user's own label maps; on a tie with the best, the first is used."""
_WHITE: Final = 128


@dataclass(frozen=True)
class GivenPerson:
    """The labels that a person's photograph has already, in pixels of the image as it is annotated."""

    skeletons: Skeletons | None = None
    numbers: NDArray[np.uint8] | None = None
    table: Pixelwise | None = None
    """The table of the numbers, None to infer it from the pose"""
    pose_name: str = ""
    parse_name: str = ""


def given_person(image: Pixels, photograph: Path, own: OwnLabels, table: Pixelwise | None) -> GivenPerson:
    """Read pose and parse beside a photograph. Raise RecordError if they are none, or of another image."""
    skeletons = numbers = None
    if own.pose is not None:
        skeletons = _scaled(read_skeletons(own.pose.read_bytes(), own.pose.name), size_of(photograph), image)
    if own.parse is not None:
        found: Numbers = read_numbers(own.parse.read_bytes(), own.parse.name)
        numbers = _fitted(found.numbers, image, own.parse.name, cv2.INTER_NEAREST)
    names = [path.name if path else "" for path in (own.pose, own.parse)]
    return GivenPerson(skeletons, numbers, own.table or table, *names)


def table_of(numbers: NDArray[np.uint8], skeletons: Skeletons, name: str) -> Pixelwise:
    """Return the table by which a map agrees with a pose. Raise RecordError if several do, or none."""
    used = np.flatnonzero(np.bincount(numbers.ravel(), minlength=256)).tolist()
    means: dict[Pixelwise, float] = {}
    regions: dict[tuple[str, ...], Pixelwise] = {}
    for table in _USUAL:
        names = label_names(table)
        if any(number >= len(names) or names[number] == UNUSED for number in used):
            continue
        if regions.setdefault(tuple(names[number] for number in used), table) == table:
            evidence = Evidence(numbers, skeletons, table, None, "", name)
            means[table] = fitted(evidence, numbers, every_grid=False).agreement.mean
    best = max(means.values(), default=0.0)
    alike = [table for table, mean in means.items() if mean > best - _CLEARLY]
    if means and (best < _SOUND or len(alike) == 1 or _USUAL[0] in alike):
        return alike[0] if best >= _SOUND else next(iter(means))  # whose contradiction of the pose is found later
    figures = ", ".join(f"{table} {mean:.2f}" for table, mean in means.items()) or "none has these labels"
    raise RecordError(
        Fault.OTHER_TABLE, name, f"its table is not plain from the pose ({figures}); give --labels {'|'.join(NAMES)}"
    )


def given_mask(image: Pixels, path: Path) -> StoredMask:
    """Read a garment's mask. Raise RecordError if it is none, or of another image."""
    stored = read_stored_mask(path.read_bytes(), path.name)
    channels = _fitted(stored.channels, image, path.name, cv2.INTER_NEAREST)
    grey = _fitted(stored.grey, image, path.name, cv2.INTER_NEAREST)
    return StoredMask(channels if channels.ndim == 3 else channels[..., None], grey)


def given_agnostic(image: Pixels, path: Path) -> Mask:
    """Read a mask, white where Ia hides. Raise RecordError if it is no mask, not this image's, or all one value."""
    stored = read_stored_mask(path.read_bytes(), path.name)
    mask: Mask = _fitted(stored.grey, image, path.name, cv2.INTER_NEAREST) >= _WHITE
    if mask.all() or not mask.any():
        raise RecordError(Fault.EMPTY_PARSE, path.name, "hides all of the photograph or nothing; white is hidden")
    return mask


def _fitted(values: NDArray[np.uint8], image: Pixels, name: str, interpolation: int) -> NDArray[np.uint8]:
    """Return a map or mask at the image's size. Raise RecordError if it is of another shape."""
    height, width = values.shape[:2]
    wanted = image.shape[1], image.shape[0]
    if abs(np.log(width / height) - np.log(wanted[0] / wanted[1])) > _SHAPE:
        raise RecordError(Fault.SIZE_MISMATCH, name, f"{width}x{height}, but the photograph is {wanted[0]}x{wanted[1]}")
    return np.asarray(cv2.resize(values, wanted, interpolation=interpolation), np.uint8)


def _scaled(skeletons: Skeletons, size: tuple[int, int], image: Pixels) -> Skeletons:
    """Return the people in pixels of the image, whose photograph is of ``size`` (width, height)."""
    wanted = np.array([image.shape[1], image.shape[0]], np.float64)
    scale = wanted if skeletons.fractions else wanted / np.array(skeletons.canvas or size, np.float64)
    people = []
    for points in skeletons.people:
        moved = points.copy()
        moved[:, :2] *= scale
        people.append(moved)
    return Skeletons(tuple(people), (float(wanted[0]), float(wanted[1])), fractions=False, faults=skeletons.faults)

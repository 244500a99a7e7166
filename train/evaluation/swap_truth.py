"""Swaps with ground truth, cropped and scaled as the shards' images are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from pydantic import ValidationError

from common.errors import UserError
from schemas import (
    CONDITIONING_SIZE,
    MASK_GARMENT,
    MASK_KEPT,
    MID_GREY,
    SWAPS,
    TARGET_SIZE,
    Crop,
    Garment,
    SourceImage,
    Swap,
    Truth,
)
from train.data import ShardFolder
from train.data.batches import to_size
from train.data.shards import Pixels
from train.evaluation.paired import Mask


@dataclass(frozen=True)
class Candidate:
    """A garment for which a person's ground truth exists."""

    swap: Swap
    garment: int | None
    """Position in the shards of the sample whose Ic and Jg show it. None if the split has no such sample: then
    it is never worn, but still serves as a distractor in retrieval."""


@dataclass(frozen=True)
class Dressable:
    """A person with two or more candidate garments of one kind, at least one of them wearable."""

    position: int
    """Position in the shards of the sample with the person's Ia and Jp"""
    photograph: SourceImage
    candidates: tuple[Candidate, ...]

    @property
    def wearable(self) -> list[int]:
        """Indices of the candidates that the person can be dressed in."""
        return [number for number, candidate in enumerate(self.candidates) if candidate.garment is not None]


@dataclass(frozen=True)
class GroundTruth:
    """The ground truth of one swap at a stage's size."""

    picture: Pixels
    """(size, size, 3)"""
    garment: Mask
    """(size, size): where the garment is visible"""
    kept: Mask
    """(size, size): where the person is unchanged from the photograph"""


def dressable_people(folder: Path, shards: ShardFolder) -> list[Dressable]:
    """Return the people that can be dressed: person and garment both have a front view in the shards' split.

    So people and garments that prep moved to training are excluded. Raise UserError if the folder has no list of swaps,
    or no person can be dressed.
    """
    people: dict[tuple[str, str, str], int] = {}
    garments: dict[tuple[str, Garment], int] = {}
    photographs: dict[int, SourceImage] = {}
    for position in range(len(shards)):
        sample = shards.sample(position)
        if sample.view == "front":
            people.setdefault((sample.look, sample.frame, sample.garment), position)
            photographs[position] = sample.person
            if sample.pairing == "item":
                garments.setdefault((sample.item.removesuffix("_F"), sample.garment), position)
    matches: dict[int, list[Candidate]] = {}
    for swap in _read(folder):
        person = people.get((swap.look, swap.frame, swap.garment))
        if person is not None:
            garment = garments.get((swap.item, swap.garment))
            matches.setdefault(person, []).append(Candidate(swap, garment))
    known = [Dressable(at, photographs[at], tuple(some)) for at, some in matches.items() if len(some) > 1]
    dressable = [person for person in known if person.wearable]
    if not dressable:
        raise UserError(
            f"--truth {folder}: none of its people can be dressed from this split of {shards.folder}; give the truth "
            "of the dataset that the shards were built from (prep sample-data --truth)"
        )
    return dressable


def ground_truth(folder: Path, person: Dressable, candidate: Candidate, size: int, *, large: bool) -> GroundTruth:
    """Return the ground truth of a person in a garment at ``size``.

    ``large``: resized from 1024² as for the last stage, otherwise from 256² as for the first two. Raise UserError if a
    file is missing or differs in size from the photograph.
    """
    shape = person.photograph.height, person.photograph.width
    picture = _cut(_decode(folder / candidate.swap.picture, "colour", shape), person.photograph.crop)
    mask = _cut(_decode(folder / candidate.swap.mask, "grey", shape), person.photograph.crop)
    picture = _scaled(picture, TARGET_SIZE)
    if not large:
        picture = to_size(picture, CONDITIONING_SIZE)
    return GroundTruth(to_size(picture, size), _share(mask == MASK_GARMENT, size), _share(mask == MASK_KEPT, size))


def chosen_swaps(people: Sequence[Dressable], count: int, seed: int) -> list[tuple[Dressable, int]]:
    """Return ``count`` swaps as (person, number of the candidate), or all: round-robin over people.

    With fewer swaps than people, people are spread evenly. ``seed`` picks the garments; a person's swaps are adjacent.
    """
    orders = [np.random.default_rng([seed, n]).permutation(p.wearable).tolist() for n, p in enumerate(people)]
    rounds = range(max(len(order) for order in orders))
    queue = [(n, orders[n][turn]) for turn in rounds for n in range(len(people)) if turn < len(orders[n])]
    if count < len(people):
        queue = [queue[place * len(people) // count] for place in range(count)]
    return [(people[n], number) for n, number in sorted(queue[:count], key=lambda entry: entry[0])]


def _read(folder: Path) -> tuple[Swap, ...]:
    path = folder / SWAPS
    try:
        return Truth.model_validate_json(path.read_bytes()).swaps
    except OSError as error:
        raise UserError(
            f"--truth {folder}: cannot read {SWAPS} ({error.strerror}); pass the dataset's truth/ folder"
        ) from error
    except ValidationError as error:
        raise UserError(f"{path}: not a list of swaps; regenerate it with prep sample-data --truth") from error


def _decode(path: Path, what: Literal["colour", "grey"], shape: tuple[int, int]) -> Pixels:
    data = np.frombuffer(path.read_bytes() if path.is_file() else b"", np.uint8)
    flags = cv2.IMREAD_COLOR_RGB if what == "colour" else cv2.IMREAD_GRAYSCALE
    pixels = cv2.imdecode(data, flags) if data.size else None
    if pixels is None or pixels.shape[:2] != shape:
        raise UserError(
            f"{path}: not an image of {shape[1]}x{shape[0]} pixels; regenerate it with prep sample-data --truth"
        )
    return np.asarray(pixels, np.uint8)


def _cut(pixels: Pixels, crop: Crop) -> Pixels:
    """Crop the square; beyond the image it is mid-grey, as in the shards."""
    square = np.full((crop.side, crop.side, *pixels.shape[2:]), MID_GREY, np.uint8)
    left, top = max(0, crop.x), max(0, crop.y)
    inside = pixels[top : max(top, crop.y + crop.side), left : max(left, crop.x + crop.side)]
    rows, columns = inside.shape[:2]
    square[top - crop.y : top - crop.y + rows, left - crop.x : left - crop.x + columns] = inside
    return square


def _scaled(square: Pixels, size: int) -> Pixels:
    """Scale as prep does: area average on the way down, cubic on the way up."""
    how = cv2.INTER_AREA if size < square.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square, (size, size), interpolation=how), np.uint8)


def _share(mask: Mask, size: int) -> Mask:
    """Scale a mask; a pixel is set if at least half of its source area is."""
    how = cv2.INTER_AREA if size < mask.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(mask.astype(np.float32), (size, size), interpolation=how) >= 0.5)

"""Compare swaps with ground truth, for any image generator; the entry point is `measure_swaps`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np

from schemas import MID_GREY
from train.data import ShardFolder
from train.data.batches import to_size
from train.data.shards import Pixels
from train.evaluation.distractors import mean_colour
from train.evaluation.means import Means
from train.evaluation.paired import enlarged, image_quality, within_photo
from train.evaluation.swap_truth import Candidate, Dressable, GroundTruth, chosen_swaps, dressable_people, ground_truth
from train.inference.dress import Outfit
from train.inference.pair_selection import Pair
from train.inference.sampling import outfit_of

Dresser = Callable[[Sequence[Outfit]], list[list[Pixels]]]
"""Maps each outfit to one image per measured size, uint8 (size, size, 3)."""


@dataclass(frozen=True)
class MeasuredSize:
    """One image size at which swaps are measured."""

    name: str
    """Name of the stage"""
    size: int
    """Side in pixels"""
    large: bool = False
    """Whether the truth comes from the 1024² images, as for the third stage"""


@dataclass
class SwapMetrics:
    """Metrics as means over the swaps.

    `psnr_inside`, `ssim_inside`, `psnr_outside`, `ssim_outside` of the garment's mask, `kept_psnr` of the kept part
    of the person, and shares in 0..1: `retrieval@1`, and `sleeve@1` and `kind@1` over swaps whose candidates differ in
    that trait.
    """

    people: int
    swaps: int
    candidates: tuple[int, int]
    """Minimum and maximum number of candidate garments in retrieval"""
    chance: float
    """Expected retrieval@1 of a random guess"""
    stages: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    """Size's name → row → metrics. Rows are `dressed`; from the second size on `bicubic`: the previous size upsampled;
    `mean colour`: Ia with its grey region in the garment's mean colour; and `Ia` itself."""


def measure_swaps(
    folder: Path,
    shards: ShardFolder,
    dresser: Dresser,
    sizes: Sequence[MeasuredSize],
    count: int,
    seed: int,
    progress: Callable[[int, int], None],
) -> SwapMetrics:
    """Generate ``count`` swaps of the folder with ``dresser`` and compare them with the ground truth.

    ``seed`` picks the garments. Raise UserError if no person can be dressed, or a file is missing.
    """
    swaps = chosen_swaps(dressable_people(folder, shards), count, seed)
    means: dict[tuple[str, str], Means] = {}
    done = 0
    for _, group in groupby(swaps, key=lambda swap: swap[0].position):
        some = list(group)
        person = some[0][0]
        garments = [garment for _, number in some if (garment := person.candidates[number].garment) is not None]
        outfits = [outfit_of(shards, Pair(person.position, garment)) for garment in garments]
        made = dresser(outfits)
        for at, size in enumerate(sizes):
            answers = [ground_truth(folder, person, each, size.size, large=size.large) for each in person.candidates]
            for outfit, images, (_, number) in zip(outfits, made, some, strict=True):
                for row, image in _rows(outfit, images, at, size.size).items():
                    figures = swap_quality(image, answers, person.candidates, number)
                    means.setdefault((size.name, row), Means()).add(figures)
        done += len(some)
        progress(done, len(swaps))
    return _figures(swaps, means)


def swap_quality(
    image: Pixels, answers: Sequence[GroundTruth], candidates: Sequence[Candidate], right: int
) -> dict[str, float]:  # fmt: skip
    """Compare an image with all ground truths, of which ``right`` is its own; returns one swap's metrics."""
    truth = answers[right]
    quality = image_quality(image, truth.picture, truth.garment)
    figures = {name: value for name, value in quality.items() if name not in ("psnr", "ssim")}
    if truth.kept.any():
        error = float(np.square((image[truth.kept].astype(float) - truth.picture[truth.kept]) / 255).mean())
        figures["kept_psnr"] = -10 * math.log10(error) if error else math.inf
    nearest = int(np.argmin([np.square(image.astype(int) - each.picture).mean() for each in answers]))
    figures["retrieval@1"] = float(nearest == right)
    for trait in ("sleeve", "kind"):
        of = [getattr(candidate.swap, trait) for candidate in candidates]
        if len(set(of)) > 1:
            figures[f"{trait}@1"] = float(of[nearest] == of[right])
    return figures


def in_mean_colour(outfit: Outfit) -> Pixels:
    """Return Ia with the mean colour of the garment in Ic wherever Ia is mid-grey: a baseline without a network."""
    filled = outfit.Ia.copy()
    part = within_photo(outfit.photo, len(filled))
    filled[part][(filled[part] == MID_GREY).all(axis=2)] = mean_colour(outfit.Ic)
    return filled


def _rows(outfit: Outfit, images: Sequence[Pixels], at: int, size: int) -> dict[str, Pixels]:
    rows = {"dressed": images[at]}
    if at:
        rows["bicubic"] = enlarged(images[at - 1], size)
    return rows | {"mean colour": to_size(in_mean_colour(outfit), size), "Ia": to_size(outfit.Ia, size)}


def _figures(swaps: Sequence[tuple[Dressable, int]], means: dict[tuple[str, str], Means]) -> SwapMetrics:
    counts = [len(person.candidates) for person, _ in swaps]
    stages: dict[str, dict[str, dict[str, float]]] = {}
    for (name, row), held in means.items():
        stages.setdefault(name, {})[row] = held.values()
    return SwapMetrics(
        people=len({person.candidates[0].swap.look for person, _ in swaps}),
        swaps=len(swaps),
        candidates=(min(counts), max(counts)),
        chance=math.fsum(1 / count for count in counts) / len(counts),
        stages=stages,
    )

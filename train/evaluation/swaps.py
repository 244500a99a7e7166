"""How near pictures of swaps come to the truth, for whatever makes them: read `measure_swaps` from top to bottom."""

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
from train.evaluation.means import Means
from train.evaluation.paired import enlarged, picture_quality
from train.evaluation.swap_truth import Answer, Candidate, Dressable, answer, chosen_swaps, dressable_people
from train.inference.dress import Outfit
from train.inference.sampling import Pair, outfit_of

Dresser = Callable[[Sequence[Outfit]], list[list[Pixels]]]
"""Makes of each outfit one picture per size that is measured, uint8 (size, size, 3)."""


@dataclass(frozen=True)
class Size:
    """What is measured at one size of picture."""

    name: str
    """The stage's"""
    size: int
    """Side in pixels"""
    large: bool
    """Whether the truth comes from the 1024² pictures, as that of the third stage"""


@dataclass
class SwapFigures:
    """What was measured, as means over the swaps: figure → value.

    `psnr_inside`, `ssim_inside`, `psnr_outside`, `ssim_outside` of the garment's mask, `kept_psnr` of what is kept of
    the person, and shares in 0..1: `retrieval@1`, and `sleeve@1` and `kind@1` over those swaps whose candidates differ
    in it.
    """

    people: int
    swaps: int
    candidates: tuple[int, int]
    """Fewest and most garments among which the right one is looked for"""
    chance: float
    """What guessing would get of retrieval@1"""
    stages: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    """Size's name → row → figures. Rows are `dressed`, from the second size on `bicubic`: the size before enlarged,
    `mean colour`: Ia with the garment's mean colour where it is grey, and `Ia` itself."""


def measure_swaps(
    folder: Path,
    shards: ShardFolder,
    dresser: Dresser,
    sizes: Sequence[Size],
    count: int,
    seed: int,
    progress: Callable[[int, int], None],
) -> SwapFigures:
    """Let ``dresser`` make the pictures of ``count`` swaps of the folder, and compare them with the truth.

    The seed decides who is dressed in what. Raise UserError where nobody can be dressed, or a file is missing.
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
            answers = [answer(folder, person, each, size.size, large=size.large) for each in person.candidates]
            for outfit, pictures, (_, number) in zip(outfits, made, some, strict=True):
                for row, picture in _rows(outfit, pictures, at, size.size).items():
                    figures = swap_quality(picture, answers, person.candidates, number)
                    means.setdefault((size.name, row), Means()).add(figures)
        done += len(some)
        progress(done, len(swaps))
    return _figures(swaps, means)


def swap_quality(
    picture: Pixels, answers: Sequence[Answer], candidates: Sequence[Candidate], right: int
) -> dict[str, float]:  # fmt: skip
    """Compare a picture with the truth number ``right`` of all; returns the figures of ``SwapFigures`` of one swap."""
    truth = answers[right]
    quality = picture_quality(picture, truth.picture, truth.garment)
    figures = {name: value for name, value in quality.items() if name not in ("psnr", "ssim")}
    if truth.kept.any():
        error = float(np.square((picture[truth.kept].astype(float) - truth.picture[truth.kept]) / 255).mean())
        figures["kept_psnr"] = -10 * math.log10(error) if error else math.inf
    nearest = int(np.argmin([np.square(picture.astype(int) - each.picture).mean() for each in answers]))
    figures["retrieval@1"] = float(nearest == right)
    for trait in ("sleeve", "kind"):
        of = [getattr(candidate.swap, trait) for candidate in candidates]
        if len(set(of)) > 1:
            figures[f"{trait}@1"] = float(of[nearest] == of[right])
    return figures


def mean_colour(outfit: Outfit) -> Pixels:
    """Return Ia with the mean colour of the garment in Ic wherever Ia is mid-grey: a person without any network."""
    garment = outfit.Ic[(outfit.Ic != MID_GREY).any(axis=2)]
    filled = outfit.Ia.copy()
    if len(garment):
        filled[(outfit.Ia == MID_GREY).all(axis=2)] = np.rint(garment.mean(axis=0)).astype(np.uint8)
    return filled


def _rows(outfit: Outfit, pictures: Sequence[Pixels], at: int, size: int) -> dict[str, Pixels]:
    rows = {"dressed": pictures[at]}
    if at:
        rows["bicubic"] = enlarged(pictures[at - 1], size)
    return rows | {"mean colour": to_size(mean_colour(outfit), size), "Ia": to_size(outfit.Ia, size)}


def _figures(swaps: Sequence[tuple[Dressable, int]], means: dict[tuple[str, str], Means]) -> SwapFigures:
    counts = [len(person.candidates) for person, _ in swaps]
    stages: dict[str, dict[str, dict[str, float]]] = {}
    for (name, row), held in means.items():
        stages.setdefault(name, {})[row] = held.values()
    return SwapFigures(
        people=len({person.candidates[0].swap.look for person, _ in swaps}),
        swaps=len(swaps),
        candidates=(min(counts), max(counts)),
        chance=math.fsum(1 / count for count in counts) / len(counts),
        stages=stages,
    )

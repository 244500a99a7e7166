"""How often the image in the garment really worn is nearest to the photograph: see `evaluate_retrieval`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from common.program import installed_version
from schemas import PERSON, PERSON_256
from train.data import ShardFolder
from train.data.batches import agnostic_to_size, to_size, to_tensor
from train.data.shards import Pixels
from train.diffusion.conditioning import from_uint8
from train.diffusion.hem import hide_hem
from train.diffusion.photo import grey_outside, inside_photo, paint_mask
from train.evaluation.distractors import Product, Wearer, Wearers, choose_wearers, shuffled
from train.evaluation.means import Means
from train.evaluation.networks import ALEXNET, Lpips, load_lpips, missing
from train.evaluation.paired import Mask, enlarged, image_quality, within_photo
from train.evaluation.swaps import Dresser, MeasuredSize
from train.evaluation.texture import high_frequency_energy, texture_distance
from train.inference.cascade import Overrides, TrainedStage
from train.inference.dress import Outfit, dress, largest_batch
from train.inference.sampling import make_outfit, provenance, read_conditioning

Progress = Callable[[int, int], None]

OTHERS = (
    "garments of the same kind and setting, of other products and looks, no two alike; ranked by a digest of seed, "
    "person's key and garment's key"
)
NEAR = "of the same garments those with the nearest mean colour over the garment in Ic, by CIE76 in L*a*b*"
NEAREST = "sum of squared errors over the pixels inside the photograph that Ia hides from the network; ties share"
_LPIPS_SIDE = 32


@dataclass(frozen=True)
class RetrievalSize(MeasuredSize):
    """One image size at which retrieval is measured."""

    hide_hem: bool = False
    """Whether the network's Ia also hides the band of the hem"""


@dataclass(frozen=True)
class Protocol:
    """How the figures were obtained; without it they mean nothing."""

    people: int
    """People dressed, each in their own garment and in all others"""
    k: int
    """Number of garments among which the worn one has to be recognised"""
    split: str
    seed: int
    shards: str
    """The shards' fingerprint"""
    kinds: dict[str, int]
    """Kind of garment → number of people"""
    garments: dict[str, int]
    """Kind of garment → number of products in the split"""
    too_few: dict[str, int]
    """Kinds excluded since the split has fewer than k of them → how many it has"""
    sizes: dict[str, int]
    """Stage → side of the compared images in pixels"""
    sampling: dict[str, str]
    """Seed, fingerprint, and each stage's checkpoint and sampling, as `trainer sample` writes them into PNGs"""
    version: str
    """Version of tryon-cascade"""
    others: str = OTHERS
    near: str = NEAR
    nearest: str = NEAREST

    @property
    def chance(self) -> float:
        """Expected share of a random guess."""
        return 1 / self.k


@dataclass(frozen=True)
class Retrieval:
    """The protocol, and stage → row → figures.

    Rows are `dressed`; from the second stage on `bicubic`, the previous stage's image upsampled; and `mean colour`, Ia
    with all that it hides in the mean colour of Ic. Figures are means over people, over what Ia hides: `right` and
    `near_colour` (shares in 0..1), and of the image in the own garment `psnr` in dB, `ssim`, `texture`
    (``texture_distance``), `sharpness` (energy of high frequencies, all images over all photographs) and, if there are
    weights, `lpips`.
    """

    protocol: Protocol
    stages: dict[str, dict[str, dict[str, float]]]
    left_out: dict[str, str] = field(default_factory=dict)
    """Figure → why it was skipped and how to get it."""


def evaluate_retrieval(
    stages: Sequence[TrainedStage],
    shards: ShardFolder,
    people: int,
    k: int,
    *,
    seed: int,
    device: torch.device,
    overrides: Overrides | None = None,
    weights: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> Retrieval:
    """Dress ``people`` of the split in their own garment and ``k`` - 1 others, twice, and compare with the photograph.

    ``weights`` is the folder of the network for LPIPS. Raise UserError if the split has fewer than ``k`` garments of
    every kind.
    """
    how = overrides or Overrides()

    def dresser(outfits: Sequence[Outfit]) -> list[list[Pixels]]:
        # Batches pay on a CPU too; a person's garments are always batched alike, so the same seed gives the same bytes.
        return dress(stages, outfits, seed=seed, overrides=how, device=device, batch=largest_batch(stages))

    sampling = provenance(stages, shards, seed, how)
    return measure_retrieval(
        shards, dresser, measured_sizes(stages), people, k, seed=seed, sampling=sampling, weights=weights,
        progress=progress,
    )  # fmt: skip


def measured_sizes(stages: Sequence[TrainedStage]) -> list[RetrievalSize]:
    """Return what is measured of a cascade; a stage without Ia hides what the stage before it does."""
    sizes: list[RetrievalSize] = []
    for stage in stages:
        config = stage.config
        hem = config.diffusion.hide_hem if config.is_try_on or not sizes else sizes[-1].hide_hem
        sizes.append(RetrievalSize(config.stage, config.size, not config.is_try_on, hem))
    return sizes


def measure_retrieval(
    shards: ShardFolder,
    dresser: Dresser,
    sizes: Sequence[RetrievalSize],
    people: int,
    k: int,
    *,
    seed: int,
    sampling: Mapping[str, str],
    weights: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> Retrieval:
    """Like ``evaluate_retrieval``, for any function from outfits to one image per size; ``sampling`` describes it."""
    choice = choose_wearers(shards, people, k, seed, progress)
    left_out = {name: why for name, why in missing(weights).items() if name == "lpips"}
    lpips = load_lpips(weights / ALEXNET) if weights is not None and not left_out else None
    rows: dict[tuple[str, str], _Row] = {}
    for number, wearer in enumerate(choice.wearers):
        progress(number, len(choice.wearers))
        _measure(shards, wearer, shuffled(shards, wearer, seed), dresser, sizes, rows, lpips)
    progress(len(choice.wearers), len(choice.wearers))
    stages: dict[str, dict[str, dict[str, float]]] = {}
    for (stage, row), found in rows.items():
        stages.setdefault(stage, {})[row] = found.values()
    return Retrieval(_protocol(shards, choice, sizes, k, seed, sampling), stages, left_out)


def hidden_from_network(outfit: Outfit, size: int, *, hem: bool) -> Mask:
    """Return which pixels (size, size) inside the photograph are mid-grey in the Ia that the network sees."""
    boxes = torch.tensor([outfit.photo])
    own = min(size, len(outfit.Ia))
    Ia = grey_outside(from_uint8(to_tensor([agnostic_to_size(outfit.Ia, own)])), boxes)
    if hem:
        Ia = hide_hem(Ia, torch.tensor(outfit.Jp)[None], torch.tensor(outfit.Jg)[None], boxes)
    grey = paint_mask(Ia, None, (own, own))
    assert grey is not None, "Ia is given"
    whole = torch.nn.functional.interpolate(grey.float(), size=(size, size), mode="nearest") > 0
    return np.asarray((whole & inside_photo(boxes, (size, size)))[0, 0].numpy(), np.bool_)


class _Row:
    """Figures of one row of the table, person by person."""

    def __init__(self) -> None:
        self.means = Means()
        self._energies = [0.0, 0.0]

    def add(self, figures: dict[str, float], picture: float, photograph: float) -> None:
        """Add a person's figures, and the energy of high frequencies of image and photograph."""
        self.means.add(figures)
        self._energies = [self._energies[0] + picture, self._energies[1] + photograph]

    def values(self) -> dict[str, float]:
        """Return means, and the ratio of all energies: of single people, plain cloth would divide by almost nothing."""
        made, true = self._energies
        return self.means.values() | ({"sharpness": made / true} if true else {})


def _measure(
    shards: ShardFolder,
    wearer: Wearer,
    garments: Sequence[Product],
    dresser: Dresser,
    sizes: Sequence[RetrievalSize],
    rows: dict[tuple[str, str], _Row],
    lpips: Lpips | None,
) -> None:
    """Dress one person in all their garments, and add the figures of each row."""
    person = read_conditioning(shards, "person", wearer.own.position)
    outfits = [make_outfit(person, read_conditioning(shards, "garment", each.position)) for each in garments]
    own = garments.index(wearer.own)
    among = [[garments.index(each) for each in (wearer.own, *others)] for others in (wearer.others, wearer.near)]
    made = dresser(outfits)
    for at, size in enumerate(sizes):
        truth = to_size(shards.image(wearer.own.position, PERSON if size.large else PERSON_256), size.size)
        where = hidden_from_network(outfits[own], size.size, hem=size.hide_hem)
        if not where.any():
            continue
        Ia = to_size(outfits[own].Ia, size.size)
        images = {"dressed": [each[at] for each in made]}
        if at:
            images["bicubic"] = [enlarged(each[at - 1], size.size) for each in made]
        images["mean colour"] = [np.where(where[..., None], product.rgb, Ia) for product in garments]
        for name, candidates in images.items():
            errors = [_squared_error(picture, truth, where) for picture in candidates]
            figures = {
                figure: _share_of_nearest(errors, own, numbers)
                for figure, numbers in zip(("right", "near_colour"), among, strict=True)
            }
            figures |= _quality(candidates[own], truth, where, outfits[own], lpips)
            energies = (high_frequency_energy(picture, where) for picture in (candidates[own], truth))
            rows.setdefault((size.name, name), _Row()).add(figures, *energies)


def _squared_error(picture: Pixels, truth: Pixels, where: Mask) -> int:
    return int(np.square(picture[where].astype(np.int64) - truth[where]).sum())


def _share_of_nearest(errors: Sequence[int], own: int, among: Sequence[int]) -> float:
    """Return 1 if the own garment's image is nearest, 0 if not; images that are equally near share the 1."""
    nearest = [number for number in among if errors[number] == min(errors[each] for each in among)]
    return 1 / len(nearest) if own in nearest else 0.0


def _quality(picture: Pixels, truth: Pixels, where: Mask, outfit: Outfit, lpips: Lpips | None) -> dict[str, float]:
    part = within_photo(outfit.photo, len(picture))
    paired = image_quality(picture[part], truth[part], where[part])
    figures = {name: paired[f"{name}_inside"] for name in ("psnr", "ssim") if f"{name}_inside" in paired}
    figures["texture"] = texture_distance(picture, truth, where)
    if lpips is not None and min(truth.shape[:2]) >= _LPIPS_SIDE:
        box = _box(where)
        mixed = np.where(where[..., None], picture, truth)
        one, other = (from_uint8(to_tensor([np.ascontiguousarray(image[box])])) for image in (mixed, truth))
        figures["lpips"] = lpips(one, other).item()
    return figures


def _box(where: Mask) -> tuple[slice, slice]:
    """Return the rows and columns around a region, at least as many as LPIPS needs."""
    slices = []
    for axis, length in ((1, where.shape[0]), (0, where.shape[1])):
        places = np.nonzero(where.any(axis=axis))[0]
        start, end = int(places[0]), int(places[-1]) + 1
        missing_rows = max(0, _LPIPS_SIDE - (end - start))
        start = max(0, min(start - missing_rows // 2, length - _LPIPS_SIDE))
        slices.append(slice(start, max(end, start + _LPIPS_SIDE)))
    return slices[0], slices[1]


def _protocol(
    shards: ShardFolder, choice: Wearers, sizes: Sequence[RetrievalSize], k: int, seed: int, sampling: Mapping[str, str]
) -> Protocol:
    return Protocol(
        people=len(choice.wearers),
        k=k,
        split=shards.split,
        seed=seed,
        shards=shards.manifest.fingerprint,
        kinds=choice.kinds,
        garments=choice.garments,
        too_few=choice.too_few,
        sizes={size.name: size.size for size in sizes},
        sampling=dict(sampling),
        version=installed_version(),
    )

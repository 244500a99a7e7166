"""Evaluate a cascade; the entry point is `evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from common.errors import UserError
from schemas import AGNOSTIC, PERSON, PERSON_256
from train.data import ShardFolder
from train.data.batches import to_size, to_tensor
from train.data.shards import Pixels
from train.diffusion.conditioning import from_uint8
from train.evaluation.distribution import distances, few_images
from train.evaluation.means import Means
from train.evaluation.networks import ALEXNET, INCEPTION, Lpips, checksums, load_inception, load_lpips, missing
from train.evaluation.paired import enlarged, hidden, image_quality, within_photo
from train.evaluation.retrieval import Retrieval
from train.evaluation.swaps import MeasuredSize, SwapMetrics, measure_swaps
from train.inference.cascade import Overrides, TrainedStage
from train.inference.dress import Outfit, dress
from train.inference.pair_selection import Pair, own_pairs, swapped_pairs
from train.inference.sampling import outfit_of

_AT_ONCE = 8


@dataclass
class Evaluation:
    """The metrics, and why some are missing."""

    pairs: int
    """People dressed: once in their own garment, and once in another if FID and KID are computed."""
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    """Stage → means over its own images: what ``image_quality`` returns, and `lpips`."""
    bicubic: dict[str, dict[str, float]] = field(default_factory=dict)
    """Stage → the same metrics for its low-resolution input, bicubically upsampled."""
    distances: dict[str, float] = field(default_factory=dict)
    """`fid` and `kid` of the last stage, unpaired as in the paper (§4)."""
    swaps: SwapMetrics | None = None
    """Metrics of swaps against ground truth, if there is any."""
    retrieval: Retrieval | None = None
    """How often the worn garment is recognised, with --retrieval."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Metric → why it was skipped and how to get it."""
    warnings: list[str] = field(default_factory=list)
    """What to know before a figure is compared with others."""
    weights: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the metric networks' files."""

    @property
    def metrics(self) -> dict[str, float]:
        """All metrics of the whole cascade, i.e. of its last stage."""
        return list(self.stages.values())[-1] | self.distances


Progress = Callable[[int, int], None]
Dressed = Iterator[tuple[Pair, list[Pixels]]]


def evaluate(
    stages: Sequence[TrainedStage],
    shards: ShardFolder,
    count: int,
    *,
    seed: int,
    device: torch.device,
    weights: Path | None,
    progress: Progress,
) -> Evaluation:
    """Dress ``count`` people of the split, each stage with its own settings, and compare with their photographs.

    Paired: each person in their own sample's garment, with ground truth Ip. Unpaired: the same people in other
    garments, the set of images against the set of photographs. All randomness comes from ``seed``, the metrics'
    networks from ``weights``. Raise UserError if no person can be dressed or a weights file is invalid.
    """
    paired = own_pairs(shards, count)
    result = Evaluation(len(paired), left_out=missing(weights), weights=checksums(weights))
    lpips = load_lpips(weights / ALEXNET) if weights and "lpips" not in result.left_out else None
    swapped = _swapped(shards, count, result) if weights and "fid" not in result.left_out else []
    total = len(paired) + len(swapped)

    def images(pairs: Sequence[Pair], done: int) -> Dressed:
        for start in range(0, len(pairs), _AT_ONCE):
            progress(done + start, total)
            some = pairs[start : start + _AT_ONCE]
            outfits = [outfit_of(shards, pair) for pair in some]
            yield from zip(
                some, dress(stages, outfits, seed=seed, overrides=Overrides(), device=device), strict=True
            )  # fmt: skip
        progress(done + len(pairs), total)

    _compare(stages, shards, images(paired, 0), lpips, result)
    if weights and swapped:
        result.distances = _distances(
            stages[-1], shards, images(swapped, len(paired)), weights / INCEPTION, seed
        )  # fmt: skip
        result.warnings += few_images(len(swapped))
    return result


def evaluate_swaps(
    stages: Sequence[TrainedStage],
    shards: ShardFolder,
    truth: Path,
    count: int,
    *,
    seed: int,
    device: torch.device,
    progress: Progress,
) -> SwapMetrics:
    """Measure ``count`` swaps of people in the folder ``truth`` with new garments (``measure_swaps``)."""
    sizes = [MeasuredSize(stage.config.stage, stage.config.size, not stage.config.is_try_on) for stage in stages]

    def dresser(outfits: Sequence[Outfit]) -> list[list[Pixels]]:
        return dress(stages, outfits, seed=seed, overrides=Overrides(), device=device)

    return measure_swaps(truth, shards, dresser, sizes, count, seed, progress)


def _compare(
    stages: Sequence[TrainedStage], shards: ShardFolder, made: Dressed, lpips: Lpips | None, result: Evaluation
) -> None:
    names = [stage.config.stage for stage in stages]
    own: dict[str, Means] = {name: Means() for name in names}
    bicubic: dict[str, Means] = {name: Means() for name in names[1:]}
    for pair, images in made:
        Ia, photo = shards.image(pair.person, AGNOSTIC), shards.sample(pair.person).person.photo_box
        for index, stage in enumerate(stages):
            truth = photograph(shards, pair.person, stage)
            inside = hidden(Ia, stage.config.size)
            candidates = [(own, images[index])]
            if index:
                candidates.append((bicubic, enlarged(images[index - 1], stage.config.size)))
            for means, image in candidates:
                part = within_photo(photo, stage.config.size)
                figures = image_quality(image[part], truth[part], inside[part])
                if lpips is not None:
                    figures["lpips"] = lpips(_signed([image]), _signed([truth])).item()
                means[stage.config.stage].add(figures)
    result.stages = {name: means.values() for name, means in own.items()}
    result.bicubic = {name: means.values() for name, means in bicubic.items()}


def photograph(shards: ShardFolder, position: int, stage: TrainedStage) -> Pixels:
    """Return Ip at the stage's size, from the image that the stage is trained on."""
    member = PERSON_256 if stage.config.is_try_on else PERSON
    return to_size(shards.image(position, member), stage.config.size)


def _swapped(shards: ShardFolder, count: int, result: Evaluation) -> list[Pair]:
    """Return the pairs whose images FID and KID compare; none, and why in ``result``, if these say nothing."""
    try:
        pairs, why = swapped_pairs(shards, count, worn=True), "needs at least two people; give --pairs 2 or more"
    except UserError:
        pairs, why = [], "needs two samples whose garments can be swapped"
    if len(pairs) > 1:
        return pairs
    result.left_out |= dict.fromkeys(("fid", "kid"), why)
    return []


def _distances(
    stage: TrainedStage, shards: ShardFolder, made: Dressed, file: Path, seed: int
) -> dict[str, float]:  # fmt: skip
    extract = load_inception(file)
    real, fake = [], []
    for pair, images in made:
        real.append(extract(to_tensor([photograph(shards, pair.person, stage)])))
        fake.append(extract(to_tensor([images[-1]])))
    return distances(torch.cat(real), torch.cat(fake), seed)


def _signed(images: list[Pixels]) -> Tensor:
    return from_uint8(to_tensor(images))

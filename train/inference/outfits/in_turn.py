"""One person dressed in several garments, one after the other, in one photograph.

Every garment has a sample of its own, with the Ia of its kind, but all of them show the same photograph. So for the
second garment what Ia shows is replaced by what the first left there: the pixels of the first result that its Ia hid
and that this one shows. Nothing is estimated again, and what is hidden stays hidden by the person's own labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from schemas import MID_GREY, PERSON_256
from train.data import ShardFolder
from train.data.shards import Pixels
from train.diffusion.samplers import OnStep
from train.inference.cascade import Overrides, TrainedStage, cascade_steps, shifted_steps
from train.inference.dress import Outfit, dress
from train.inference.pair_selection import Pair
from train.inference.pasting.matching_crop import Placed, place, square_of
from train.inference.pasting.originals import Original
from train.inference.pasting.paste_back import Region, hidden_in, paste_back
from train.inference.pasting.source_images import SourceImages
from train.inference.pasting.whole import outline_of, regions_of
from train.inference.sampling import outfit_of


@dataclass(frozen=True)
class Dressed:
    """A photograph in which the person wears the garments, and how each of them came into it."""

    photograph: Original
    """As its file displays it"""
    outfits: tuple[Outfit, ...]
    """What the networks were given for each garment"""
    images: tuple[tuple[Pixels, ...], ...]
    """Each garment's image of every stage"""

    @property
    def square(self) -> Pixels:
        """The last network's image, in the last garment."""
        return self.images[-1][-1]


def dress_in_turn(
    stages: Sequence[TrainedStage],
    shards: ShardFolder,
    pairs: Sequence[Pair],
    original: Original,
    labels: SourceImages,
    *,
    seed: int,
    overrides: Overrides,
    device: torch.device,
    on_step: OnStep | None = None,
) -> Dressed:
    """Dress the person of ``original``, which the people of all pairs' samples show, in the pairs' garments.

    ``labels`` holds the label maps of the people. ``on_step`` counts the steps of all garments. Raise UserError if a
    sample is damaged or not of this photograph.
    """
    placed = [_placed(shards, pair, original, labels) for pair in pairs]
    before = placed[0].original.seen
    seen = before
    steps = cascade_steps(stages, overrides)
    outfits: list[Outfit] = []
    images: list[tuple[Pixels, ...]] = []
    for number, pair in enumerate(pairs):
        region, outfit = placed[number].region, outfit_of(shards, pair)
        if number:
            outfit = replace(outfit, Ia=_continued(outfit.Ia, before, seen, region))
        (results,) = dress(
            stages, [outfit], seed=seed, overrides=overrides, device=device,
            on_step=shifted_steps(on_step, number * steps, len(pairs) * steps),
        )  # fmt: skip
        outline = outline_of(placed[number], outfit.Ia, outfit.Jp, outfit.Jg)
        seen = paste_back(seen, results[-1], hidden_in(outfit.Ia), region, outfit.Jp, outline)
        outfits.append(outfit)
        images.append(tuple(results))
    whole = placed[0].original.with_pixels(seen, (seen != before).any(axis=2)).turned(-placed[0].quarters)
    return Dressed(whole, tuple(outfits), tuple(images))


def _placed(shards: ShardFolder, pair: Pair, original: Original, labels: SourceImages) -> Placed:
    sample = shards.sample(pair.person)
    placed = place(original, sample.person, shards.image(pair.person, PERSON_256))
    return replace(placed, regions=regions_of(labels, sample))


def _continued(Ia: Pixels, before: Pixels, after: Pixels, region: Region) -> Pixels:
    """Return Ia with what changed from ``before`` to ``after`` where it shows the photograph; hidden pixels stay so."""
    size = len(Ia)
    old, new = (square_of(photograph, region, size) for photograph in (before, after))
    changed = (old != new).any(axis=2) & ~hidden_in(Ia)
    shown = new[changed]
    # A pixel that happens to be mid-grey would count as hidden.
    shown[(shown == MID_GREY).all(axis=1)] = MID_GREY + 1
    continued = Ia.copy()
    continued[changed] = np.asarray(shown, np.uint8)
    return continued

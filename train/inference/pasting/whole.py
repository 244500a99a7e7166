"""The whole photograph of a sample's person with the network's square in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from common.errors import UserError
from schemas import CONDITIONING_SIZE, PERSON_256, Sample
from train.data import ShardFolder
from train.data.shards import Pixels
from train.inference.pasting.agreement import Pose
from train.inference.pasting.matching_crop import Placed, place
from train.inference.pasting.originals import Original, decode_original
from train.inference.pasting.outlined import Outline
from train.inference.pasting.paste_back import hidden_in, paste_back
from train.inference.pasting.person_regions import PersonRegions, bare_arms, read_regions
from train.inference.pasting.source_images import SourceImages


def find_original(source: SourceImages, shards: ShardFolder, position: int) -> Placed:
    """Return the photograph of a sample's person, and where its square lies in it. Raise UserError."""
    sample, person = shards.sample(position), shards.image(position, PERSON_256)
    refused: UserError | None = None
    for where, data in source.candidates(sample.person.path):
        try:
            placed = place(decode_original(data, where), sample.person, person)
        except UserError as error:
            refused = error
        else:
            return replace(placed, regions=regions_of(source, sample))
    raise refused or UserError(f"{sample.person.path}: no such photograph")


def regions_of(source: SourceImages, sample: Sample) -> PersonRegions | None:
    """Return where the sample's square shows the person, None if its label map is not there any more."""
    data = source.labels(sample.person_parse.path)
    return None if data is None else read_regions(data, sample.person, CONDITIONING_SIZE)


def outline_of(placed: Placed, Ia: Pixels, Jp: Pose, Jg: Pose | None) -> Outline | None:
    """Return what is known of the person for pasting, None if nothing is, or nothing that belongs to this Ia."""
    regions = placed.regions
    if regions is None or regions.person.shape != Ia.shape[:2] or not regions.fits(hidden_in(Ia)):
        return None
    bare = np.zeros_like(regions.person) if Jg is None else bare_arms(regions, Jp, Jg)
    return Outline(regions.person, bare)


def with_result(placed: Placed, Ia: Pixels, Jp: Pose, result: Pixels, Jg: Pose | None = None) -> Original:
    """Return the photograph with ``result`` (n, n, 3) where ``Ia`` is hidden, as its file displays it.

    ``Jp`` and ``Jg`` are the poses of person and garment; with that of the garment, bare arms that it leaves bare stay.
    """
    seen, outline = placed.original.seen, outline_of(placed, Ia, Jp, Jg)
    pasted = paste_back(seen, result, hidden_in(Ia), placed.region, Jp, outline)
    return placed.original.with_pixels(pasted, (pasted != seen).any(axis=2)).turned(-placed.quarters)

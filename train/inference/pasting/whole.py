"""The whole photograph of a sample's person with the network's square in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from common.errors import UserError
from schemas import AGNOSTIC, JP, PERSON_256
from train.data import ShardFolder
from train.data.shards import Pixels
from train.inference.pasting.agreement import Pose
from train.inference.pasting.matching_crop import Placed, place
from train.inference.pasting.originals import Original, decode_original
from train.inference.pasting.paste_back import hidden_in, paste_back
from train.inference.pasting.source_images import SourceImages

FindPhotograph = Callable[[str], Iterable[tuple[str, bytes]]]
"""From the path of a sample's person to (name, bytes) of the photographs that it may mean."""


def from_source(src: Path) -> FindPhotograph:
    """Return what finds photographs in the folder that shards were built from. Raise UserError if it does not exist."""
    return SourceImages(src).candidates


def from_file(path: Path) -> FindPhotograph:
    """Return what finds one photograph, whatever the sample."""
    return lambda _: [(str(path), path.read_bytes())]


def find_original(find: FindPhotograph, shards: ShardFolder, position: int) -> Placed:
    """Return the photograph of a sample's person, and where its square lies in it. Raise UserError."""
    picture, person = shards.sample(position).person, shards.image(position, PERSON_256)
    refused: UserError | None = None
    for where, data in find(picture.path):
        try:
            return place(decode_original(data, where), picture, person)
        except UserError as error:
            refused = error
    raise refused or UserError(f"{picture.path}: no such photograph")


def dressed(placed: Placed, shards: ShardFolder, position: int, result: Pixels) -> Original:
    """Return the photograph of a sample's person with ``result`` (n, n, 3) where Ia hides the person."""
    Ia, Jp = shards.image(position, AGNOSTIC), shards.pose(position, JP)
    return with_result(placed, Ia, Jp, result)


def with_result(placed: Placed, Ia: Pixels, Jp: Pose, result: Pixels) -> Original:
    """Return the photograph with ``result`` (n, n, 3) where ``Ia`` is hidden, as its file displays it."""
    seen = placed.original.seen
    pasted = paste_back(seen, result, hidden_in(Ia), placed.region, Jp)
    return placed.original.with_pixels(pasted, (pasted != seen).any(axis=2)).turned(-placed.quarters)

"""From requests, a person's photograph and those of garments each, to photographs: `prep` once, then sampling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import torch

from common.errors import UserError
from common.text import counted
from schemas import PERSON_256, Garment, SourceImage
from train.data import ShardFolder
from train.data.shards import Pixels
from train.diffusion.samplers import OnStep
from train.inference.cascade import Overrides, TrainedStage
from train.inference.outfits.in_turn import Dressed, dress_in_turn
from train.inference.outfits.photographs import PhotoPair, PhotoSet, Prep, PrepError, check_photographs
from train.inference.pair_selection import Pair
from train.inference.pasting.originals import decode_original
from train.inference.pasting.source_images import SourceImages


@dataclass(frozen=True)
class TryOnRequest:
    """A person's photograph, and the garments to be dressed one after the other.

    Raise UserError for garments that cannot be worn together.
    """

    person: Path
    garments: tuple[Path, ...]
    kinds: tuple[Garment | None, ...] = ()
    """The kind of each garment, None as its outline tells; empty: none is given"""

    def __post_init__(self) -> None:
        if not self.garments:
            raise UserError(f"{self.person}: no garment for this person; give at least one")
        if self.kinds and len(self.kinds) != len(self.garments):
            raise UserError(
                f"{self.person}: {counted(len(self.kinds), 'kind')} for {counted(len(self.garments), 'garment')}; "
                "give one for each, or none"
            )
        refuse_clashes(self.person, [kind for kind in self.kinds if kind])

    @property
    def pairs(self) -> tuple[PhotoPair, ...]:
        """The person with each of the garments."""
        kinds = self.kinds or (None,) * len(self.garments)
        return tuple(PhotoPair(self.person, path, kind) for path, kind in zip(self.garments, kinds, strict=True))


@dataclass(frozen=True)
class Prepared:
    """What `prep` made of a request: for each garment a sample, and its kind."""

    request: TryOnRequest
    shards: ShardFolder
    labels: SourceImages
    """The label files that the shards were built from"""
    pairs: tuple[Pair, ...]
    kinds: tuple[Garment, ...]

    @property
    def in_turn(self) -> tuple[Pair, ...]:
        """The pairs in the order in which they are dressed: what is worn below first, whatever the requested order.

        A top that is shorter than the one before shows what is worn below, and should show the new one.
        """
        return tuple(self.pairs[number] for number in sorted(range(len(self.pairs)), key=self._is_above))

    def _is_above(self, number: int) -> bool:
        return self.kinds[number] != "lower"

    def person(self, number: int) -> tuple[SourceImage, Pixels]:
        """Return where the person of the n-th sample that is dressed lies in the photograph, and its pixels, 256²."""
        position = self.in_turn[number].person
        return self.shards.sample(position).person, self.shards.image(position, PERSON_256)


@dataclass
class Preparation:
    """The requests that can be dressed, and why the others cannot, both by their place in the list."""

    prepared: dict[int, Prepared] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)

    def only(self) -> Prepared:
        """Return the one request. Raise UserError if it was refused."""
        for why in self.refused.values():
            raise UserError(why)
        return self.prepared[0]


def refuse_clashes(person: Path, kinds: Sequence[Garment]) -> None:
    """Raise UserError for two garments of one kind, and for a dress with anything else."""
    for one, other in combinations(kinds, 2):
        if one == other or "dress" in (one, other):
            raise UserError(
                f"{person}: {one} and {other} cannot be worn together; give one of a kind, or a dress alone; "
                "give the garments' kinds where they were guessed wrongly"
            )


def prepare(requests: Sequence[TryOnRequest], out: Path, prep: Prep) -> Preparation:
    """Annotate all photographs and build one folder of shards of them, in a subfolder of ``out``.

    Raise UserError if `prep` is not installed, PrepError if it fails for another reason than its photographs.
    """
    preparation = Preparation()
    usable: dict[int, TryOnRequest] = {}
    suffixes, unusable = check_photographs(path for request in requests for path in (request.person, *request.garments))
    for number, request in enumerate(requests):
        if bad := [path for path in (request.person, *request.garments) if path in unusable]:
            preparation.refused[number] = unusable[bad[0]]
        else:
            usable[number] = request
    if usable:
        _annotate(usable, preparation, out, prep, suffixes)
    return preparation


def _annotate(
    requests: Mapping[int, TryOnRequest],
    preparation: Preparation,
    out: Path,
    prep: Prep,
    suffixes: Mapping[Path, str],
) -> None:
    """Annotate the photographs of these requests and add what came of them to ``preparation``."""
    photos = PhotoSet([pair for request in requests.values() for pair in request.pairs], out, suffixes)
    failed: PrepError | None = None
    shards: ShardFolder | None = None
    try:
        folder = photos.build_shards(prep)
    except PrepError as error:
        failed = error
    else:
        with suppress(UserError):  # shards without a sample
            shards = ShardFolder(folder, "val")
    frames = dict(_frames(shards)) if shards else {}
    for number, request in requests.items():
        why = next(filter(None, (_why(photos, pair, frames) for pair in request.pairs)), None)
        if shards is None or why:
            if failed and why in (None, _UNKNOWN):
                raise failed
            preparation.refused[number] = why or _UNKNOWN
            continue
        kinds = tuple(photos.kinds[path] for path in request.garments)
        try:
            refuse_clashes(request.person, kinds)
        except UserError as error:
            preparation.refused[number] = str(error)
            continue
        positions = [frames[photos.frame(pair)] for pair in request.pairs]
        pairs = tuple(Pair(position, position) for position in positions)
        preparation.prepared[number] = Prepared(request, shards, SourceImages(photos.annotated), pairs, kinds)


def wear(
    prepared: Prepared,
    stages: Sequence[TrainedStage],
    *,
    seed: int,
    overrides: Overrides,
    device: torch.device,
    on_step: OnStep | None = None,
) -> Dressed:
    """Dress the person in the garments, one after the other. Raise UserError if the photograph cannot be decoded."""
    person = prepared.request.person
    return dress_in_turn(
        stages, prepared.shards, prepared.in_turn, decode_original(person.read_bytes(), str(person)),
        prepared.labels, seed=seed, overrides=overrides, device=device, on_step=on_step,
    )  # fmt: skip


_UNKNOWN = "prep made no sample of these photographs, and gave no reason"


def _frames(shards: ShardFolder) -> Iterator[tuple[str, int]]:
    """Yield the stem of each sample's image of a person, and the sample's position."""
    for position in range(len(shards)):
        path = shards.sample(position).person.path
        yield path.rpartition("/")[2].rpartition(".")[0], position


def _why(photos: PhotoSet, pair: PhotoPair, frames: Mapping[str, int]) -> str | None:
    """Return why the pair has no sample, None if it has one."""
    if photos.frame(pair) in frames:
        return None
    return photos.why_rejected(pair) or _UNKNOWN

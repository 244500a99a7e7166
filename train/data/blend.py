"""Several folders of shards trained on as one, each with a share of the samples of every batch.

The order is a pure function of the seed and the position, as that of one folder is. Sources take turns as evenly as
their shares allow, without chance: among the first n positions, a source has its share of n, give or take one for each
source. A source's own samples come in its own order, epoch by epoch, so a source with a large share of the batches and
few samples begins its second epoch earlier than another.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

from common.errors import UserError
from common.options import Location
from schemas import Sample, Split
from train.data.data_config import DataConfig
from train.data.decode import Pixels
from train.data.opening import open_shards
from train.data.shards import DamagedSampleError, Poses, ShardFolder

_OPTION = "--shards"


@dataclass(frozen=True)
class Source:
    """A folder or URL of shards as given on the command line."""

    location: Path | str
    weight: Fraction | None = None
    """Its share of the samples; None: by its size, of what is left."""

    def __str__(self) -> str:
        return str(self.location) + ("" if self.weight is None else f"={float(self.weight):g}")

    @classmethod
    def parse(cls, text: str) -> Source:
        """Return the source of `FOLDER|URL[=WEIGHT]`. Raise UserError for a weight that is not a positive number.

        A folder whose name ends so is a folder, and a URL's weight comes behind a slash (`s3://bucket/b/=0.3`), since
        parts of keys are often named so (`s3://bucket/year=2026`).
        """
        location, sign, weight = text.rpartition("=")
        is_url = "://" in text
        has_weight = location.endswith("/") if is_url else bool(sign) and not Path(text).is_dir()
        if not has_weight:
            return cls(_location(text))
        try:
            share = Fraction(weight)
        except (ValueError, ZeroDivisionError) as error:
            raise UserError(f"{_OPTION} {text}: {weight!r} is not a weight; give a number, as in b/=0.3") from error
        if share <= 0:
            raise UserError(
                f"{_OPTION} {text}: the weight is {weight}; give a positive number, or leave the folder out"
            )
        return cls(_location(location), share)

    def open(
        self, split: Split, settings: DataConfig, skip_damaged: Callable[[str], None] | None = None
    ) -> ShardFolder:  # fmt: skip
        """Open the shards. Raise UserError as `open_shards` does, and for a URL that seems to have a share."""
        try:
            return open_shards(self.location, split, settings, skip_damaged)
        except UserError as error:
            share = re.fullmatch(r"(.*://.*[^/])=([0-9./]+)", str(self.location))
            if share is None:
                raise
            raise UserError(f"{error}; if {share[2]} is a share, give {share[1]}/={share[2]}") from error


class BlendedShards(ShardFolder):
    """The samples of several folders, one after the other, with an order that takes them in turn by their shares."""

    def __init__(self, parts: Sequence[ShardFolder], shares: Sequence[Fraction], name: str) -> None:
        """``shares`` are positive and sum to 1. ``name`` is how messages call the whole."""
        self.folder = name
        self.split = parts[0].split
        self.manifest = parts[0].manifest
        self.parts, self.shares = tuple(parts), tuple(shares)
        self.keys = [key for part in parts for key in part.keys]
        self._starts = list(accumulate((len(part) for part in parts[:-1]), initial=0))

    @property
    def fingerprint(self) -> str:
        """Of the plans, sizes and shares of all sources, which the order depends on."""
        lines = (
            f"{part.manifest.fingerprint} {len(part)} {share}\n"
            for part, share in zip(self.parts, self.shares, strict=True)
        )
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def candidates(self, seed: int, position: int) -> Iterator[int]:
        """Yield the sample at a position of the order, then those of its source that replace it if it is damaged."""
        which, own = turn(self.shares, position)
        for sample in self.parts[which].ordered(seed, own, which):
            yield self._starts[which] + sample

    def repeats(self, samples: int) -> bool:
        """Return whether ``samples`` further positions use most samples of every source at least twice."""
        return all(
            samples * share >= 2 * len(part) for part, share in zip(self.parts, self.shares, strict=True)
        )  # fmt: skip

    def read(self, position: int, *members: str) -> list[bytes]:
        """Do what `ShardFolder` does, with the source's sample."""
        part, own = self._find(position)
        return part.read(own, *members)

    def decoded_image(
        self, position: int, member: str, data: bytes, size: int | None = None, bottom: int | None = None
    ) -> Pixels:
        """Do what `ShardFolder` does, with the source's sample."""
        part, own = self._find(position)
        return part.decoded_image(own, member, data, size, bottom)

    def decoded_pose(self, position: int, member: str, data: bytes) -> Poses:
        """Do what `ShardFolder` does, with the source's sample."""
        part, own = self._find(position)
        return part.decoded_pose(own, member, data)

    def decoded_sample(self, position: int, data: bytes) -> Sample:
        """Do what `ShardFolder` does, with the source's sample."""
        part, own = self._find(position)
        return part.decoded_sample(own, data)

    def skip(self, position: int, error: DamagedSampleError) -> None:
        """Do what `ShardFolder` does, with the source's sample."""
        part, own = self._find(position)
        part.skip(own, error)

    def is_skipped(self, position: int) -> bool:
        """Return whether the source's sample is skipped as damaged."""
        part, own = self._find(position)
        return part.is_skipped(own)

    def _find(self, position: int) -> tuple[ShardFolder, int]:
        which = sum(start <= position for start in self._starts) - 1
        return self.parts[which], position - self._starts[which]


def parts_of(shards: ShardFolder) -> tuple[ShardFolder, ...]:
    """Return the folders of a blend, or the one folder."""
    return shards.parts if isinstance(shards, BlendedShards) else (shards,)


def turn(shares: Sequence[Fraction], position: int) -> tuple[int, int]:
    """Return whose turn it is at a position, and how many turns that source had before.

    The first source has its turn wherever its share of the positions reaches the next whole number; the others share
    the remaining positions in the same way.
    """
    left = Fraction(1)
    for which, share in enumerate(shares[:-1]):
        before, after = position * share // left, (position + 1) * share // left
        if after > before:
            return which, int(before)
        position -= int(before)
        left -= share
    return len(shares) - 1, position


def shares_of(sources: Sequence[Source], sizes: Sequence[int]) -> list[Fraction]:
    """Return the sources' shares, which sum to 1: their weights; those without share the rest by their sizes.

    If all have weights, only the weights' ratios count. Raise UserError if weights leave nothing for the others.
    """
    weights = [source.weight for source in sources]
    given = sum((weight for weight in weights if weight is not None), Fraction(0))
    if None not in weights:
        return [weight / given for weight in weights if weight is not None]
    if given >= 1:
        free = next(source for source in sources if source.weight is None)
        raise UserError(
            f"{_OPTION}: the weights sum to {float(given):g} and leave nothing for {free}; give weights below 1 in "
            "all, or one for every folder"
        )
    rest = sum(size for size, weight in zip(sizes, weights, strict=True) if weight is None)
    return [
        (1 - given) * Fraction(size, rest) if weight is None else weight
        for size, weight in zip(sizes, weights, strict=True)
    ]


def open_blend(
    sources: Sequence[Source], split: Split, settings: DataConfig, skip_damaged: Callable[[str], None] | None = None
) -> ShardFolder:
    """Open one source as `open_shards` does, or several as one. Raise UserError as that does.

    Of the split val, which only validation reads, a source may have none, as long as another has.
    """
    if len(sources) == 1:
        return sources[0].open(split, settings, skip_damaged)
    _refuse_doubles(sources)
    opened: list[tuple[Source, ShardFolder]] = []
    errors: list[UserError] = []
    for source in sources:
        try:
            opened.append((source, source.open(split, settings, skip_damaged)))
        except UserError as error:
            errors.append(error)
            if split != "val":
                raise
    if not opened:
        raise errors[0]
    parts = [part for _, part in opened]
    shares = [Fraction(1, len(parts))] * len(parts)  # validation takes no turns
    if split == "train":
        shares = shares_of(sources, [len(part) for part in parts])
    return BlendedShards(parts, shares, " + ".join(str(source) for source, _ in opened))


def _refuse_doubles(sources: Sequence[Source]) -> None:
    locations = [str(source.location).rstrip("/") for source in sources]
    for location in locations:
        if locations.count(location) > 1:
            raise UserError(f"{_OPTION} {location}: given twice; give it once, with a weight")


def _location(text: str) -> Path | str:
    return Location().convert(text, None, None)

"""Random access to the samples of a folder of shards: reads only the requested members, by offset."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.errors import UserError
from common.storage import open_storage
from common.text import one_line
from schemas import MEMBERS, META, PERSON, Sample, ShardEntry, Split, layout_of
from train.data.cache import BlockCache, ShardRanges
from train.data.decode import Pixels as Pixels
from train.data.decode import decode_image, decode_pose
from train.data.draws import order_at
from train.data.index import read_index, read_manifest

Poses = NDArray[np.float32]

_AT_ONCE = 16


class DamagedSampleError(UserError):
    """A member of a sample is damaged."""


class ShardFolder:
    """The samples of one split, in the order of the plan.

    ``location`` is a folder or a URL, read through ``cache``. With ``skip_damaged``, damaged samples are skipped, and
    it is called once for each of them with a message. Raises UserError if the folder holds no complete shards, or
    files that do not belong together.
    """

    def __init__(
        self,
        location: Path | str,
        split: Split,
        *,
        cache: BlockCache | None = None,
        skip_damaged: Callable[[str], None] | None = None,
    ) -> None:
        self.folder = location
        self.split = split
        self._storage = open_storage(location, "--shards")
        self._ranges = ShardRanges(self._storage, cache)
        self.manifest = read_manifest(self._storage, location)
        self._layout = layout_of(self.manifest.configuration)
        self._skip_damaged = skip_damaged
        self._skipped: set[int] = set()
        self._skipping = threading.Lock()
        self._shards: list[ShardEntry] = [entry for entry in self.manifest.shards if entry.split == split]
        self.keys: list[str] = []
        self._places: list[tuple[int, dict[str, tuple[int, int]]]] = []
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            indices = pool.map(lambda entry: read_index(self._storage, entry, self.manifest), self._shards)
            for number, index in enumerate(indices):
                for sample in index.samples:
                    self.keys.append(sample.key)
                    self._places.append((number, self._named(sample.members)))
        if not self.keys:
            raise UserError(f"--shards {location}: no samples of the split {split}; build shards from more data")

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def fingerprint(self) -> str:
        """What the order of the samples depends on, besides the seed and their number: the plan's fingerprint."""
        return self.manifest.fingerprint

    def candidates(self, seed: int, position: int) -> Iterator[int]:
        """Yield the sample at a position of the order, then those that replace it if it is damaged."""
        return self.ordered(seed, position, 0)

    def ordered(self, seed: int, position: int, stream: int) -> Iterator[int]:
        """Yield the sample at a position of a stream's order, then the next ones of its epoch, cyclically."""
        count = len(self)
        epoch, place = divmod(position, count)
        for further in range(count):
            yield order_at(seed, count, epoch * count + (place + further) % count, stream)

    def repeats(self, samples: int) -> bool:
        """Return whether ``samples`` further positions use most samples at least twice."""
        return samples >= 2 * len(self)

    def _named(self, members: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
        """Return a sample's members by their usual names, whatever the format of the images; no optional ones."""
        if self._layout.names == MEMBERS:
            return members
        return {usual: members[name] for name, usual in self._layout.usual.items() if usual in MEMBERS}

    def read(self, position: int, *members: str) -> list[bytes]:
        """Return members of the sample at ``position`` as bytes: one read for the large Ip, one for all others.

        Beside the large Ip, the description that lies before it comes with it.

        Raise UserError if they cannot be read.
        """
        shard, places = self._places[position]
        values: list[bytes] = []
        blocks: dict[bool, tuple[int, bytes]] = {}
        for member in members:
            large = member == PERSON or (member == META and PERSON in members)
            if large not in blocks:
                blocks[large] = self._block(position, large)
            start, block = blocks[large]
            offset, size = places[member]
            data = block[offset - start : offset - start + size]
            if len(data) != size:
                raise UserError(
                    f"{self._storage.where(self._shards[shard].name)}: shorter than its index says, at "
                    f"{self.keys[position]}.{member}; build the shards again"
                )
            values.append(data)
        return values

    def image(self, position: int, member: str, size: int | None = None, bottom: int | None = None) -> Pixels:
        """Return an image, RGB uint8 (size, size, 3); see `decode_image`. Raise UserError.

        It is whole by default, and all but the large Ip are of the size of Ia, even if Ic is stored larger.
        """
        return self.decoded_image(position, member, self.read(position, member)[0], size, bottom)

    def pose(self, position: int, member: str) -> Poses:
        """Return a pose, float32 (17, 3). Raise UserError if it is damaged."""
        return self.decoded_pose(position, member, self.read(position, member)[0])

    def decoded_image(
        self, position: int, member: str, data: bytes, size: int | None = None, bottom: int | None = None
    ) -> Pixels:
        """Like `image`, from bytes already read. Raise DamagedSampleError."""
        side = self._layout.sides[member]
        whole = side if member == PERSON else self._layout.conditioning_size
        try:
            return decode_image(np.frombuffer(data, np.uint8), side, size or whole, bottom)
        except (ValueError, OSError) as error:
            raise self._damaged(position, member, str(error)) from error

    def decoded_pose(self, position: int, member: str, data: bytes) -> Poses:
        """Like `pose`, from bytes already read. Raise DamagedSampleError."""
        try:
            return decode_pose(data)
        except ValueError as error:
            raise self._damaged(position, member, str(error)) from error

    def sample(self, position: int) -> Sample:
        """Return the sample's JSON description. Raise UserError if it is damaged."""
        return self.decoded_sample(position, self.read(position, META)[0])

    def worn_from(self, position: int) -> int:
        """Return the first position from ``position`` on, cyclically, of a sample whose person wears its garment.

        The others are for inference alone and have no target. Raise UserError if there is no such sample.
        """
        for further in range(len(self)):
            place = (position + further) % len(self)
            if self.sample(place).worn:
                return place
        raise UserError(
            f"--shards {self.folder}: no person in the split {self.split} wears the garment of the pair, so there is "
            "no photograph to compare with; build that split from worn pairs too"
        )

    def decoded_sample(self, position: int, data: bytes) -> Sample:
        """Like `sample`, from bytes already read. Raise DamagedError."""
        try:
            return Sample.model_validate_json(data)
        except ValueError as error:
            raise self._damaged(position, META, "does not fit the schema") from error

    def skip(self, position: int, error: DamagedSampleError) -> None:
        """Skip a damaged sample from now on, or raise the error if samples must not be skipped."""
        if self._skip_damaged is None:
            raise error
        with self._skipping:
            if position not in self._skipped:
                self._skipped.add(position)
                self._skip_damaged(f"skipped: {error}")

    def is_skipped(self, position: int) -> bool:
        """Return whether the sample is skipped as damaged."""
        return position in self._skipped

    def _block(self, position: int, large: bool) -> tuple[int, bytes]:
        """Return offset and bytes of the description and the large Ip, or of all members before the large Ip."""
        shard, places = self._places[position]
        members = [place for name, place in places.items() if (name in (META, PERSON) if large else name != PERSON)]
        start, end = min(offset for offset, _ in members), max(offset + size for offset, size in members)
        entry = self._shards[shard]
        try:
            return start, self._ranges.read(entry, start, end - start)
        except OSError as error:
            raise UserError(
                f"{self._storage.where(entry.name)}: {error.strerror}; build or copy the shards again"
            ) from error

    def _damaged(self, position: int, member: str, what: str) -> DamagedSampleError:
        shard = self._storage.where(self._shards[self._places[position][0]].name)
        return DamagedSampleError(
            f"{shard}: {self.keys[position]}.{member} is damaged ({one_line(what)}); build the shards again"
        )

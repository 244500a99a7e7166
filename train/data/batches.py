"""Batches of one stage: decoded ahead of the step that needs them, the same whatever the number of threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from schemas import AGNOSTIC, GARMENT, JG, JP, PERSON, PERSON_256, UserError
from train.config import StageConfig
from train.data.augment import Item, crop_corner, jittered, mirrored
from train.data.decode import Pixels
from train.data.order import order_at
from train.data.shards import DamagedError, ShardFolder
from train.diffusion.randomness import SampleNoise

_AHEAD = 3
_CACHE_BYTES = 1 << 30


@dataclass(frozen=True)
class Batch:
    """One batch as it lies in the shards: pictures uint8 (B, 3, H, W), poses float32 (B, 17, 3).

    ``positions`` count the samples seen since the run began: they key everything that is random about a sample.
    """

    positions: tuple[int, ...]
    x: Tensor
    Ia: Tensor | None
    Ic: Tensor | None
    Jp: Tensor | None
    Jg: Tensor | None
    replaced: int = 0
    """In how many places another sample stands for a damaged one."""


class BatchLoader:
    """Serves the batch that begins at any position; decodes the next ones meanwhile, in threads.

    Of ``world`` processes each has a loader, which serves its ``rank``-th share of every batch: the shares, one after
    the other, are the batch that a single process would be served, positions included. Raises UserError where the batch
    cannot be divided evenly.
    """

    def __init__(self, shards: ShardFolder, config: StageConfig, rank: int = 0, world: int = 1) -> None:
        self._shards = shards
        self._config = config
        self._rank = rank
        self._share = share_of_batch(config.data.batch, world)
        self._cache: dict[int, Item] = {}
        # What a small stage decodes is kept: 10,000 tuples at 128² are 1.5 GB, at 32² a sixteenth of it.
        self._cached_items = 0 if config.crop else _CACHE_BYTES // (9 * config.size**2)

    def batches(self, start: int) -> Generator[Batch]:
        """Yield batches without end, the first one of all processes beginning at sample position ``start``."""
        with (
            ThreadPoolExecutor(self._config.data.threads) as decoders,
            ThreadPoolExecutor(_AHEAD) as assemblers,
        ):
            pending: deque[Future[Batch]] = deque()
            try:
                while True:
                    while len(pending) < _AHEAD:
                        first = start + self._rank * self._share
                        pending.append(assemblers.submit(self._assemble, decoders, range(first, first + self._share)))
                        start += self._config.data.batch
                    yield pending.popleft().result()
            finally:
                for pool in (assemblers, decoders):
                    pool.shutdown(wait=False, cancel_futures=True)

    def _assemble(self, decoders: ThreadPoolExecutor, positions: range) -> Batch:
        """Have a batch's samples decoded and stack them: in a thread of its own, so that the step need not wait."""
        return _stack(positions, list(decoders.map(self._item, positions)))

    def _item(self, position: int) -> tuple[Item, bool]:
        """Return the sample at a position, and whether another one stands for it.

        In the place of a damaged sample comes the next sound one of the epoch's order, after its end those at its
        beginning: a function of seed, position and data, whatever was read before.
        """
        count, seed = len(self._shards), self._config.seed
        epoch, place = divmod(position, count)
        for further in range(count):
            which = order_at(seed, count, epoch * count + (place + further) % count)
            if self._shards.is_skipped(which):
                continue
            try:
                return self._augmented(which, position), further > 0
            except DamagedError as error:
                self._shards.skip(which, error)
        raise UserError(f"--shards {self._shards.folder}: every sample is damaged; build the shards again")

    def _augmented(self, which: int, position: int) -> Item:
        config = self._config
        noise = SampleNoise(config.seed, config.stage, [position])
        item = self._cropped(which, config.crop, noise) if config.crop else self._whole(which)
        if config.data.jitter and config.is_try_on:
            item = jittered(item, config.data.jitter, noise)
        return mirrored(item) if config.data.flip and bool(noise.bernoulli(0.5, "flip")) else item

    def _cropped(self, which: int, side: int, noise: SampleNoise) -> Item:
        top, left = crop_corner(self._config.size - side, noise)
        picture = self._shards.picture(which, PERSON, self._config.size, bottom=top + side)
        return Item(x=picture[top : top + side, left : left + side])

    def _whole(self, which: int) -> Item:
        item = self._cache.get(which)
        if item is None:
            item = self._decode(which)
            if len(self._cache) < self._cached_items:
                self._cache[which] = item
        return item

    def _decode(self, which: int) -> Item:
        shards, size = self._shards, self._config.size
        if not self._config.is_try_on:
            return Item(x=shards.picture(which, PERSON, size))
        x, Ia, Ic, Jp, Jg = shards.read(which, PERSON_256, AGNOSTIC, GARMENT, JP, JG)
        return Item(
            x=shards.decoded_picture(which, PERSON_256, x, size),
            Ia=shards.decoded_picture(which, AGNOSTIC, Ia, size),
            Ic=shards.decoded_picture(which, GARMENT, Ic, size),
            Jp=shards.decoded_pose(which, JP, Jp),
            Jg=shards.decoded_pose(which, JG, Jg),
        )


def share_of_batch(batch: int, world: int) -> int:
    """Return how many of a batch's samples each of ``world`` processes gets. Raise UserError where that is uneven."""
    if batch % world:
        raise UserError(f"data.batch={batch} cannot be divided among {world} processes; give a multiple of {world}")
    return batch // world


def to_size(picture: Pixels, size: int) -> Pixels:
    """Scale a square picture to ``size`` a side by area average."""
    if picture.shape[0] == size:
        return picture
    return np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def to_tensor(pictures: list[Pixels]) -> Tensor:
    """Stack pictures (H, W, 3) to uint8 (B, 3, H, W)."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def _stack(positions: range, items: list[tuple[Item, bool]]) -> Batch:
    def pictures(name: str) -> Tensor | None:
        found: list[Any] = [getattr(item, name) for item, _ in items]
        return None if found[0] is None else to_tensor(found)

    def poses(name: str) -> Tensor | None:
        found: list[Any] = [getattr(item, name) for item, _ in items]
        return None if found[0] is None else torch.from_numpy(np.stack(found))

    x = to_tensor([item.x for item, _ in items])
    replaced = sum(other for _, other in items)
    return Batch(tuple(positions), x, pictures("Ia"), pictures("Ic"), poses("Jp"), poses("Jg"), replaced)

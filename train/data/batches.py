"""Batches of one stage: decoded ahead of the step that needs them, the same whatever the number of threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor

import cv2
import numpy as np
import torch
from torch import Tensor

from common.errors import UserError
from schemas import AGNOSTIC, GARMENT, JG, JP, PERSON, PERSON_256
from train.data.augment import Item, draw
from train.data.batch import Batch, Frame
from train.data.data_config import BatchSettings
from train.data.decode import Pixels
from train.data.draws import order_at
from train.data.kept import KeptItems
from train.data.shards import DamagedError, ShardFolder
from train.hardware.machine import decoding_threads, image_memory

_AHEAD = 3
"""Batches that are decoded before they are asked for."""
_ROWS = 32
"""Samples that a thread takes at a time, at most: handing one over costs as much as copying it."""


class BatchLoader:
    """Serves the batch that begins at any position; decodes the next ones meanwhile, in threads.

    Of ``world`` processes each has a loader, which serves its ``rank``-th share of every batch: the shares, one after
    the other, are the batch that a single process would be served, positions included. ``on_card`` says that a card
    computes the step, so that the processors are free to decode; ``pin`` has batches in page-locked memory. Neither
    changes what is served. Raises UserError where the batch cannot be divided evenly.
    """

    def __init__(
        self,
        shards: ShardFolder,
        config: BatchSettings,
        rank: int = 0,
        world: int = 1,
        *,
        on_card: bool = False,
        pin: bool = False,
    ) -> None:
        self._shards = shards
        self._config = config
        self._rank = rank
        self._world = world
        self._share = share_of_batch(config.data.batch, world)
        self._pin = pin
        self._threads = decoding_threads(config.data.threads, on_card=on_card)
        self._kept = KeptItems(image_memory(config.data.cache_memory))

    def batches(self, start: int) -> Generator[Batch]:
        """Yield batches without end, the first one of all processes beginning at sample position ``start``."""
        again = self._comes_again(start)
        with (
            ThreadPoolExecutor(self._threads) as decoders,
            ThreadPoolExecutor(_AHEAD) as assemblers,
        ):
            pending: deque[Future[Batch]] = deque()
            try:
                while True:
                    while len(pending) < _AHEAD:
                        first = start + self._rank * self._share
                        positions = range(first, first + self._share)
                        pending.append(assemblers.submit(self._assemble, decoders, positions, again))
                        start += self._config.data.batch
                    yield pending.popleft().result()
            finally:
                for pool in (assemblers, decoders):
                    pool.shutdown(wait=False, cancel_futures=True)

    def _comes_again(self, start: int) -> bool:
        """Say whether this process comes by most samples twice before the run ends."""
        left = self._config.steps * self._config.data.batch - start
        return left >= 2 * len(self._shards) * self._world

    def _assemble(self, decoders: ThreadPoolExecutor, positions: range, again: bool) -> Batch:
        """Have a batch's samples decoded into it: in a thread of its own, so that the step need not wait."""
        draws = draw(self._config, positions)
        frame = Frame(self._config, positions, draws, pin=self._pin)

        def fill(rows: range) -> int:
            replaced = 0
            for row in rows:
                bottom = None if draws.corner is None else int(draws.corner[row, 0]) + frame.side
                item, is_other = self._item(positions[row], bottom, again)
                frame.put(row, item)
                replaced += is_other
            return replaced

        count = len(positions)
        at_once = max(1, min(_ROWS, count // (2 * self._threads)))
        parts = (range(first, min(first + at_once, count)) for first in range(0, count, at_once))
        return frame.batch(sum(decoders.map(fill, parts)))

    def _item(self, position: int, bottom: int | None, again: bool) -> tuple[Item, bool]:
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
                return self._decoded(which, bottom, again), further > 0
            except DamagedError as error:
                self._shards.skip(which, error)
        raise UserError(f"--shards {self._shards.folder}: every sample is damaged; build the shards again")

    def _decoded(self, which: int, bottom: int | None, again: bool) -> Item:
        """Return a sample at the stage's size: the rows above ``bottom``, or all of them where that is None.

        To keep a sample takes all of its rows, which pays where they are wanted again. The rows above are the same.
        """
        item = self._kept.get(which)
        if item is not None:
            return item
        if bottom is not None:
            keep = again and self._kept.has_room(3 * self._config.size**2)
            item = self._decode_person(which, self._config.size if keep else bottom)
            if not keep:
                return item
        else:
            item = self._decode_person(which, None) if not self._config.is_try_on else self._decode_tuple(which)
        self._kept.put(which, item)
        return item

    def _decode_person(self, which: int, bottom: int | None) -> Item:
        return Item(x=self._shards.image(which, PERSON, self._config.size, bottom))

    def _decode_tuple(self, which: int) -> Item:
        shards, size = self._shards, self._config.size
        x, Ia, Ic, Jp, Jg = shards.read(which, PERSON_256, AGNOSTIC, GARMENT, JP, JG)
        return Item(
            x=shards.decoded_image(which, PERSON_256, x, size),
            Ia=shards.decoded_image(which, AGNOSTIC, Ia, size),
            Ic=shards.decoded_image(which, GARMENT, Ic, size),
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

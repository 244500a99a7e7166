"""The data loader of one stage: decodes batches ahead of time; the number of threads does not change them."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor

import cv2
import numpy as np
import torch
from torch import Tensor

from common.errors import UserError
from schemas import AGNOSTIC, GARMENT, JG, JP, META, MID_GREY, PERSON, PERSON_256
from train.data.augment import DecodedSample, draw
from train.data.batch import Batch, BatchBuffer
from train.data.data_config import BatchSettings
from train.data.decode import Pixels
from train.data.memory_cache import DecodedCache
from train.data.shards import DamagedSampleError, ShardFolder
from train.hardware.machine import decoding_threads, image_memory

_AHEAD = 3
"""Number of batches to prefetch."""
_ROWS = 32
"""Maximum samples per task of a thread: submitting a task costs as much as copying a sample."""


class BatchLoader:
    """Yields batches from any position on; threads decode the next ones meanwhile.

    Each of ``world`` processes has a loader that yields the ``rank``-th share of every batch; the concatenated shares
    are the batch of a single process, including positions. ``on_card``: a GPU computes the step, so the CPU is free to
    decode. ``pin``: batches are in page-locked memory. Neither changes the batches. Raises UserError if the batch
    cannot be divided evenly.
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
        self._kept = DecodedCache(image_memory(config.data.cache_memory))

    def batches(self, start: int) -> Generator[Batch]:
        """Yield batches without end; the first (of all processes together) begins at sample position ``start``."""
        again = self._repeats(start)
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

    def _repeats(self, start: int) -> bool:
        """Return whether this process will use most samples at least twice before the run ends."""
        left = self._config.steps * self._config.data.batch - start
        return self._shards.repeats(left // self._world)

    def _assemble(self, decoders: ThreadPoolExecutor, positions: range, again: bool) -> Batch:
        """Decode a batch's samples into it; runs in its own thread, so that the step does not wait."""
        draws = draw(self._config, positions)
        frame = BatchBuffer(self._config, positions, draws, pin=self._pin)

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

    def _item(self, position: int, bottom: int | None, again: bool) -> tuple[DecodedSample, bool]:
        """Return the sample at a position, and whether it replaces a damaged one.

        A damaged sample is replaced by the next readable one in the epoch's order (cyclically): a function of seed,
        position and data alone, independent of what was read before.
        """
        for further, which in enumerate(self._shards.candidates(self._config.seed, position)):
            if self._shards.is_skipped(which):
                continue
            try:
                return self._decoded(which, bottom, again), further > 0
            except DamagedSampleError as error:
                self._shards.skip(which, error)
        raise UserError(f"--shards {self._shards.folder}: every sample is damaged; build the shards again")

    def _decoded(self, which: int, bottom: int | None, again: bool) -> DecodedSample:
        """Return a sample at the stage's size: the rows above ``bottom``, or all of them if it is None.

        Caching a sample requires decoding all rows, which pays off if it is used again. The upper rows are identical.
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

    def _decode_person(self, which: int, bottom: int | None) -> DecodedSample:
        shards = self._shards
        x, meta = shards.read(which, PERSON, META)
        pixels = shards.decoded_image(which, PERSON, x, self._config.size, bottom)
        return DecodedSample(x=pixels, photo=shards.decoded_sample(which, meta).person.photo_box)

    def _decode_tuple(self, which: int) -> DecodedSample:
        shards, size = self._shards, self._config.size
        x, Ia, Ic, Jp, Jg, meta = shards.read(which, PERSON_256, AGNOSTIC, GARMENT, JP, JG, META)
        return DecodedSample(
            x=shards.decoded_image(which, PERSON_256, x, size),
            Ia=agnostic_to_size(shards.decoded_image(which, AGNOSTIC, Ia), size),
            Ic=shards.decoded_image(which, GARMENT, Ic, size),
            Jp=shards.decoded_pose(which, JP, Jp),
            Jg=shards.decoded_pose(which, JG, Jg),
            photo=shards.decoded_sample(which, meta).person.photo_box,
        )


def share_of_batch(batch: int, world: int) -> int:
    """Return each process's number of samples per batch. Raise UserError if ``world`` does not divide ``batch``."""
    if batch % world:
        raise UserError(f"data.batch={batch} cannot be divided among {world} processes; use a multiple of {world}")
    return batch // world


def to_size(image: Pixels, size: int) -> Pixels:
    """Scale a square image to side ``size`` by area averaging."""
    if image.shape[0] == size:
        return image
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def agnostic_to_size(Ia: Pixels, size: int) -> Pixels:
    """Scale Ia, a square image, to side ``size``, at most its own; what contains a hidden pixel becomes mid-grey.

    An average of grey and skin would be copied into the result as a halo, one of grey and background as an outline.
    """
    if Ia.shape[0] == size:
        return Ia
    visible = cv2.inRange(Ia, (MID_GREY,) * 3, (MID_GREY,) * 3) == 0
    share = cv2.resize(visible.view(np.uint8) * 255, (size, size), interpolation=cv2.INTER_AREA)
    result = np.full((size, size, 3), MID_GREY, np.uint8)
    cv2.copyTo(to_size(Ia, size), np.asarray(share == 255).view(np.uint8), result)
    return result


def to_tensor(images: list[Pixels]) -> Tensor:
    """Stack images (H, W, 3) to uint8 (B, 3, H, W)."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)

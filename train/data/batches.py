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
from numpy.typing import NDArray
from torch import Tensor

from schemas import AGNOSTIC, FLIP, GARMENT, JG, JP, PERSON, PERSON_256
from train.config import StageConfig
from train.data.order import order_at
from train.data.shards import Pixels, ShardFolder
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


@dataclass(frozen=True)
class _Item:
    x: Pixels
    Ia: Pixels | None = None
    Ic: Pixels | None = None
    Jp: NDArray[np.float32] | None = None
    Jg: NDArray[np.float32] | None = None


class BatchLoader:
    """Serves the batch that begins at any position; decodes the next ones meanwhile, in threads."""

    def __init__(self, shards: ShardFolder, config: StageConfig) -> None:
        self._shards = shards
        self._config = config
        self._cache: dict[int, _Item] = {}
        # What a small stage decodes is kept: 10,000 tuples at 128² are 1.5 GB, at 32² a sixteenth of it.
        self._cached_items = 0 if config.crop else _CACHE_BYTES // (9 * config.size**2)

    def batches(self, start: int) -> Generator[Batch]:
        """Yield batches without end, the first one beginning at sample position ``start``."""
        size = self._config.data.batch
        with ThreadPoolExecutor(self._config.data.threads) as pool:
            pending: deque[tuple[range, list[Future[_Item]]]] = deque()
            try:
                while True:
                    while len(pending) < _AHEAD:
                        positions = range(start, start + size)
                        pending.append((positions, [pool.submit(self._item, position) for position in positions]))
                        start += size
                    positions, futures = pending.popleft()
                    yield _stack(positions, [future.result() for future in futures])
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _item(self, position: int) -> _Item:
        config = self._config
        which = order_at(config.seed, len(self._shards), position)
        item = self._cache.get(which)
        if item is None:
            item = self._decode(which)
            if len(self._cache) < self._cached_items:
                self._cache[which] = item
        noise = SampleNoise(config.seed, config.stage, [position])
        if config.crop:
            item = _Item(x=_random_crop(item.x, config.crop, noise))
        return _mirrored(item) if config.data.flip and bool(noise.bernoulli(0.5, "flip")) else item

    def _decode(self, which: int) -> _Item:
        shards, size = self._shards, self._config.size
        if not self._config.is_try_on:
            return _Item(x=to_size(shards.picture(which, PERSON), size))
        return _Item(
            x=to_size(shards.picture(which, PERSON_256), size),
            Ia=to_size(shards.picture(which, AGNOSTIC), size),
            Ic=to_size(shards.picture(which, GARMENT), size),
            Jp=shards.pose(which, JP),
            Jg=shards.pose(which, JG),
        )


def to_size(picture: Pixels, size: int) -> Pixels:
    """Scale a square picture to ``size`` a side by area average."""
    if picture.shape[0] == size:
        return picture
    return np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def to_tensor(pictures: list[Pixels]) -> Tensor:
    """Stack pictures (H, W, 3) to uint8 (B, 3, H, W)."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def _random_crop(picture: Pixels, side: int, noise: SampleNoise) -> Pixels:
    room = picture.shape[0] - side + 1
    top, left = (int(u * room) for u in noise.uniform((2,), "crop")[0])
    return picture[top : top + side, left : left + side]


def _mirrored(item: _Item) -> _Item:
    """Mirror the whole tuple; left and right keypoints change places."""
    return _Item(
        x=_flip(item.x),
        Ia=None if item.Ia is None else _flip(item.Ia),
        Ic=None if item.Ic is None else _flip(item.Ic),
        Jp=None if item.Jp is None else flip_pose(item.Jp),
        Jg=None if item.Jg is None else flip_pose(item.Jg),
    )


def _flip(picture: Pixels) -> Pixels:
    return np.ascontiguousarray(picture[:, ::-1])


def flip_pose(pose: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mirror a pose (17, 3): x becomes 1 - x, left and right change places; absent points stay zero."""
    flipped = pose[list(FLIP)].copy()
    flipped[:, 0] = np.where(flipped[:, 2] > 0, 1 - flipped[:, 0], 0)
    return flipped


def _stack(positions: range, items: list[_Item]) -> Batch:
    def pictures(name: str) -> Tensor | None:
        found: list[Any] = [getattr(item, name) for item in items]
        return None if found[0] is None else to_tensor(found)

    def poses(name: str) -> Tensor | None:
        found: list[Any] = [getattr(item, name) for item in items]
        return None if found[0] is None else torch.from_numpy(np.stack(found))

    x = to_tensor([item.x for item in items])
    return Batch(tuple(positions), x, pictures("Ia"), pictures("Ic"), poses("Jp"), poses("Jg"))

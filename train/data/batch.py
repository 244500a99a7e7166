"""One batch: the memory that it is assembled in, and its way to the device ahead of the step that needs it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, fields, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from train.data.augment import Draws, Item, Pairs, flip_pose, moved_image, moved_pose
from train.data.data_config import BatchSettings

_PERSON = ("x", "Ia", "Jp")
"""What is shifted with the person; everything else is shifted with the garment."""


@dataclass(frozen=True)
class Batch:
    """One batch as it is in the shards: images uint8 (B, 3, H, W), poses float32 (B, 17, 3).

    ``positions`` count the samples seen since the run began: they key everything that is random about a sample.
    """

    positions: tuple[int, ...]
    x: Tensor
    Ia: Tensor | None
    Ic: Tensor | None
    Jp: Tensor | None
    Jg: Tensor | None
    replaced: int = 0
    """In how many places another sample stands in for a damaged one."""


class Frame:
    """The arrays of one batch, whose rows several threads may fill at a time, each row once.

    ``pin`` puts them in page-locked memory, from which a card copies while it computes.
    """

    def __init__(self, config: BatchSettings, positions: Sequence[int], draws: Draws, *, pin: bool) -> None:
        self._positions = positions
        self._draws = draws
        self._size = config.size
        self.side = side = config.crop or config.size
        """Pixels of an image's side, as it is served."""
        count = len(positions)
        images = ("x", "Ia", "Ic") if config.is_try_on else ("x",)
        self._images = {name: _empty((count, side, side, 3), torch.uint8, pin) for name in images}
        self._poses = {name: _empty((count, 17, 3), torch.float32, pin) for name in ("Jp", "Jg") if config.is_try_on}
        self._arrays = {name: tensor.numpy() for name, tensor in (self._images | self._poses).items()}

    def put(self, row: int, item: Item) -> None:
        """Fill a row: images cropped, shifted and mirrored as drawn, poses as they are until `batch`."""
        for name in self._images:
            image, target = getattr(item, name), self._arrays[name][row]
            if self._draws.corner is not None:
                top, left = self._draws.corner[row].tolist()
                image = image[top : top + self.side, left : left + self.side]
            shifts = self._shifts(name)
            if shifts is not None:
                image = moved_image(image, *shifts[row].tolist())
            if self._draws.flip[row]:
                assert image.shape == target.shape  # else OpenCV would write elsewhere
                cv2.flip(image, 1, target)
            else:
                np.copyto(target, image)
        for name in self._poses:
            self._arrays[name][row] = getattr(item, name)

    def batch(self, replaced: int) -> Batch:
        """Return the batch, once all rows are filled."""
        for name in self._poses:
            poses, shifts = self._arrays[name], self._shifts(name)
            if shifts is not None:
                poses[:] = moved_pose(poses, shifts / self._size)
            poses[self._draws.flip] = flip_pose(poses[self._draws.flip])
        tensors = {name: images.permute(0, 3, 1, 2) for name, images in self._images.items()} | self._poses
        Ia, Ic, Jp, Jg = (tensors.get(name) for name in ("Ia", "Ic", "Jp", "Jg"))
        return Batch(tuple(self._positions), tensors["x"], Ia, Ic, Jp, Jg, replaced)

    def _shifts(self, name: str) -> Pairs | None:
        return self._draws.person if name in _PERSON else self._draws.garment


def _empty(shape: tuple[int, ...], dtype: torch.dtype, pin: bool) -> Tensor:
    return torch.empty(shape, dtype=dtype, pin_memory=pin)


def on_device(batches: Generator[Batch], device: torch.device) -> Generator[Batch]:
    """Yield the batches with their tensors on ``device``; on a CPU as they are. Closing it closes ``batches``.

    The next batch is copied on a stream of its own, from pinned memory, as soon as the step that got the last one has
    been launched: the copy overlaps that step, and neither waits for the other until the batch is used.
    """
    try:
        if device.type != "cuda":
            yield from batches
            return
        copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        steps = torch.cuda.current_stream(device)
        for batch in batches:
            with torch.cuda.stream(copies):
                on_card = moved(batch, device)
            steps.wait_stream(copies)
            for tensor in tensors_of(on_card):
                tensor.record_stream(steps)  # freed for the copies' stream only once the step is done with it
            yield on_card
    finally:
        batches.close()


def moved(batch: Batch, device: torch.device) -> Batch:
    """Return the batch with its tensors on ``device``; from pinned memory the copies do not wait."""
    tensors = {name: value.to(device, non_blocking=True) for name, value in _named_tensors(batch).items()}
    return replace(batch, **tensors)  # type: ignore[arg-type]


def tensors_of(batch: Batch) -> list[Tensor]:
    """Return the batch's tensors."""
    return list(_named_tensors(batch).values())


def _named_tensors(batch: Batch) -> dict[str, Tensor]:
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}

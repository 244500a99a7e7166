"""A batch: assembled in place by several threads, and copied to the device ahead of the step that uses it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, fields, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from train.data.augment import DecodedSample, Draws, Offsets, augmented_boxes, flip_pose, moved_image, moved_pose
from train.data.data_config import BatchSettings

_PERSON = ("x", "Ia", "Jp")
"""Inputs that are shifted with the person; the others are shifted with the garment."""


@dataclass(frozen=True)
class Batch:
    """A batch with the values of the shards: images uint8 (B, 3, H, W), poses float32 (B, 17, 3).

    ``positions`` count the samples since the start of the run; they key all random draws of a sample.
    """

    positions: tuple[int, ...]
    x: Tensor
    Ia: Tensor | None
    Ic: Tensor | None
    Jp: Tensor | None
    Jg: Tensor | None
    photo: Tensor | None = None
    """(B, 4): the photograph's left, top, right, bottom in [0, 1] of x; None: it fills x."""
    replaced: int = 0
    """Number of damaged samples that were replaced by others."""


class BatchBuffer:
    """The arrays of one batch; several threads may fill its rows concurrently, each row once.

    ``pin`` allocates page-locked memory, from which a GPU copies while it computes.
    """

    def __init__(self, config: BatchSettings, positions: Sequence[int], draws: Draws, *, pin: bool) -> None:
        self._positions = positions
        self._draws = draws
        self._size = config.size
        self.side = side = config.crop or config.size
        """Side of the batch's images in pixels."""
        count = len(positions)
        images = ("x", "Ia", "Ic") if config.is_try_on else ("x",)
        self._images = {name: _empty((count, side, side, 3), torch.uint8, pin) for name in images}
        self._poses = {name: _empty((count, 17, 3), torch.float32, pin) for name in ("Jp", "Jg") if config.is_try_on}
        self._photo = _empty((count, 4), torch.float32, pin)
        self._boxes = self._photo.numpy()
        self._arrays = {name: tensor.numpy() for name, tensor in (self._images | self._poses).items()}

    def put(self, row: int, item: DecodedSample) -> None:
        """Fill a row: images are augmented as drawn; poses are copied, and augmented by `batch`."""
        for name in self._images:
            image, target = getattr(item, name), self._arrays[name][row]
            if self._draws.corner is not None:
                top, left = self._draws.corner[row].tolist()
                image = image[top : top + self.side, left : left + self.side]
            shifts = self._shifts(name)
            if shifts is not None:
                image = moved_image(image, *shifts[row].tolist())
            if self._draws.flip[row]:
                assert image.shape == target.shape  # otherwise OpenCV would allocate another output
                cv2.flip(image, 1, target)
            else:
                np.copyto(target, image)
        for name in self._poses:
            self._arrays[name][row] = getattr(item, name)
        self._boxes[row] = item.photo

    def batch(self, replaced: int) -> Batch:
        """Return the batch; call it once all rows are filled."""
        for name in self._poses:
            poses, shifts = self._arrays[name], self._shifts(name)
            if shifts is not None:
                poses[:] = moved_pose(poses, shifts / self._size)
            poses[self._draws.flip] = flip_pose(poses[self._draws.flip])
        self._boxes[:] = augmented_boxes(self._boxes, self._draws, self._size, self.side)
        tensors = {name: images.permute(0, 3, 1, 2) for name, images in self._images.items()} | self._poses
        Ia, Ic, Jp, Jg = (tensors.get(name) for name in ("Ia", "Ic", "Jp", "Jg"))
        return Batch(tuple(self._positions), tensors["x"], Ia, Ic, Jp, Jg, self._photo, replaced)

    def _shifts(self, name: str) -> Offsets | None:
        return self._draws.person if name in _PERSON else self._draws.garment


def _empty(shape: tuple[int, ...], dtype: torch.dtype, pin: bool) -> Tensor:
    return torch.empty(shape, dtype=dtype, pin_memory=pin)


def prefetch_to_device(batches: Generator[Batch], device: torch.device) -> Generator[Batch]:
    """Yield the batches with their tensors on ``device``, on a CPU unchanged. Closing it closes ``batches``.

    The next batch is copied from pinned memory on a separate stream as soon as the step on the previous one has been
    launched: the copy overlaps that step, and neither waits for the other until the batch is used.
    """
    try:
        if device.type != "cuda":
            yield from batches
            return
        copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        steps = torch.cuda.current_stream(device)
        for batch in batches:
            with torch.cuda.stream(copies):
                on_card = to_device(batch, device)
            steps.wait_stream(copies)
            for tensor in tensors_of(on_card):
                tensor.record_stream(steps)  # its memory is reused only after the step
            yield on_card
    finally:
        batches.close()


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Return the batch with its tensors on ``device``; copies from pinned memory are asynchronous."""
    tensors = {name: value.to(device, non_blocking=True) for name, value in _named_tensors(batch).items()}
    return replace(batch, **tensors)  # type: ignore[arg-type]


def tensors_of(batch: Batch) -> list[Tensor]:
    """Return the batch's tensors."""
    return list(_named_tensors(batch).values())


def _named_tensors(batch: Batch) -> dict[str, Tensor]:
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}

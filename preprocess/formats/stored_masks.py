"""Reads what a garment's mask file may hold: a mask in grey, in one channel, inverted, or a cut-out image.

Each reading is a candidate; which one is the garment, its product photograph decides (`loading.garment_masks`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.faults import Fault, RecordError
from preprocess.formats.images import Mask, decode_as, is_cut_short

_HALF_GREY = 128
_BLACK, _WHITE = 8, 247
"""Levels that JPEG may make of black and white."""
_BETWEEN = 0.05
"""Maximum share of an image between two levels for a channel to be two-valued: the edge itself lies between them."""
_CONTRAST = 40
"""Minimum difference of two levels, unless there are no others."""
_LEAST = 0.002
"""Minimum share of an image of either value."""
_COLOURED = 24
"""Difference of the channels from which an image is coloured: more than JPEG makes of a grey one."""
_DARK, _BRIGHT = 16, 240
"""Levels of the background of a cut-out image, black or white."""


@dataclass(frozen=True, eq=False)
class StoredMask:
    """The channels (h, w, n) of a mask's file as stored, B, G, R, A, and its grey."""

    channels: NDArray[np.uint8]
    grey: NDArray[np.uint8]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.grey.shape[1], self.grey.shape[0]

    def readings(self) -> Iterator[tuple[Mask, tuple[Fault, ...]]]:
        """Yield each mask that the file may hold and what is odd about it, the most likely first."""
        masks: list[tuple[Mask, tuple[Fault, ...]]] = []
        plain = [] if self._is_coloured() else _two_valued(self.grey)
        masks += plain
        channels = [self.channels[..., number] for number in reversed(range(self.channels.shape[-1]))]
        for channel in channels if len(channels) > 1 else ():
            masks += [(mask, (Fault.MASK_CHANNEL,)) for mask, _ in _two_valued(channel)]
        if not plain:
            masks.append((self.grey >= _HALF_GREY, (Fault.GREY_MASK,)))
        if self._is_coloured():
            colours = self.channels[..., :3]
            masks.append((colours.max(axis=-1) > _DARK, (Fault.MASK_CHANNEL,)))
            masks.append((colours.min(axis=-1) < _BRIGHT, (Fault.MASK_CHANNEL,)))
        yield from masks
        yield from ((~mask, (*faults, Fault.INVERTED_MASK)) for mask, faults in masks)

    def _is_coloured(self) -> bool:
        if self.channels.shape[-1] < 3:
            return False
        colours = self.channels[..., :3]
        return float((colours.max(axis=-1) - colours.min(axis=-1) > _COLOURED).mean()) > _LEAST


def read_stored_mask(data: bytes, path: str) -> StoredMask:
    """Decode a garment's mask. Raise RecordError `bad-parse`, or `empty-parse` for an image of one black level."""
    stored = None if is_cut_short(data) else decode_as(data, cv2.IMREAD_UNCHANGED)
    grey = stored
    if stored is not None and (stored.ndim == 3 or b"Exif" in data[:64]):  # the latter may turn it
        grey = decode_as(data, cv2.IMREAD_GRAYSCALE)
    if stored is None or grey is None:
        raise RecordError(Fault.BAD_PARSE, path, "cannot be decoded whole; fetch the file again")
    channels = stored if stored.ndim == 3 else stored[..., None]
    if channels.shape[:2] != grey.shape:  # turned by EXIF
        channels = grey[..., None]
    if channels.max() <= _BLACK and channels.max() == channels.min():
        raise RecordError(Fault.EMPTY_PARSE, path, "a mask without the garment; it has to be made again")
    return StoredMask(channels, grey)


def _two_valued(channel: NDArray[np.uint8]) -> list[tuple[Mask, tuple[Fault, ...]]]:
    """Return the mask of a channel of two levels, none if it has one or many."""
    counts = cv2.calcHist([np.ascontiguousarray(channel)], [0], None, [256], [0, 256]).ravel()
    used = np.flatnonzero(counts)
    low, high = int(used[0]), int(used[-1])
    if high - low < (_CONTRAST if len(used) > 2 else 1):
        return []
    total = counts.sum()
    quarter = (high - low) / 4
    levels = np.arange(256)
    between = counts[(levels > low + quarter) & (levels < high - quarter)].sum() / total
    above = counts[levels * 2 >= low + high].sum() / total
    if between > _BETWEEN or not _LEAST < above < 1 - _LEAST:
        return []
    if low <= _BLACK and high >= _WHITE:
        return [(channel >= _HALF_GREY, ())]
    return [(channel.astype(np.int64) * 2 >= low + high, (Fault.GREY_MASK,))]

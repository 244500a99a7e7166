"""What an image looks like at 16 × 16 pixels: nearly the same images have nearly the same thumbnails.

Found on decoded pixels, so that neither another file name, another quality of JPEG nor another size hides a twin. Most
images look like no other one, which a rough thumbnail of the upper half tells in an eighth of the time that a
thumbnail takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.formats.images import Pixels, decode_as
from preprocess.formats.jpeg import Frame, cut_below, frame_of

Thumb = NDArray[np.uint8]
"""16 × 16 averages in a row: (768,), or (256,) of a rough one and (112,) of its upper half."""

Thumbs = NDArray[np.uint8]
"""(n, 768), (n, 256) or (n, 112): one row an image."""

SIDE = 16
_UPPER = 7
"""Rows of 16 of the upper half: the last one's window ends above the image's middle."""
_LEVELS = 4
"""Levels of 256 in which the averages of two nearly identical images differ at most; another JPEG moves them by 1."""
_ROUGH_LEVELS = 6
"""The same of rough thumbnails: another size moves them by up to 5."""
_REDUCED = 8
"""A JPEG gives one pixel for 8 × 8 without being decoded: their average, which it stores."""
_WHOLE = 256
"""What the weights of an average add up to; two times these and 255 are still exact in float32."""


def thumb(data: bytes) -> Thumb | None:
    """Return the thumbnail (768,) of an encoded image, RGB, upright; None where it cannot be decoded."""
    pixels = decode_as(data, cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        return None
    return _upright(np.asarray(cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8), pixels)


def rough_thumb(data: bytes) -> Thumb | None:
    """Return the rough thumbnail (256,) of an encoded image, grey, upright; None where it cannot be decoded.

    Each average is over two by two of its 16 × 16 fields, the less the farther from the middle: at an eighth of the
    size an edge inside of a pixel is lost, and where a field ended in such a pixel the average would jump.
    """
    is_jpeg = data.startswith(b"\xff\xd8")
    pixels = decode_as(data, cv2.IMREAD_REDUCED_GRAYSCALE_8 if is_jpeg else cv2.IMREAD_GRAYSCALE)
    if pixels is None:
        return None
    height, width = pixels.shape
    frame = frame_of(data)
    known = frame is not None and _reduced(frame) == (width, height)  # not so where EXIF data turned it
    across, down = _windows(frame) if frame and known else (_weights(width, width), _weights(height, height))
    return _upright(_averages(pixels, down, across), pixels)


def upper_thumb(data: bytes) -> Thumb | None:
    """Return the first 7 of 16 rows of the rough thumbnail, (112,); of most JPEGs no more than these is decoded."""
    frame = frame_of(data)
    if frame is not None and frame.height >= frame.width:
        across, down = _windows(frame)
        rows = 1 + int(np.flatnonzero(down[_UPPER - 1])[-1])
        upper = cut_below(data, frame, rows * _REDUCED)
        pixels = None if upper is None else decode_as(upper, cv2.IMREAD_REDUCED_GRAYSCALE_8)
        if pixels is not None:
            return _averages(pixels[:rows], down[:_UPPER, :rows], across).ravel()
    whole = rough_thumb(data)
    return None if whole is None else whole[: _UPPER * SIDE]


def _averages(pixels: NDArray[np.uint8], down: NDArray[np.float32], across: NDArray[np.float32]) -> NDArray[np.uint8]:
    # Sums of whole numbers below 2^24, so the same bits on every processor.
    sums = (down @ pixels.astype(np.float32) @ across.T).astype(np.int32)
    return ((sums + _WHOLE**2 // 2) // _WHOLE**2).astype(np.uint8)


def _upright(small: NDArray[np.uint8], pixels: Pixels) -> Thumb:
    """Return the thumbnail as a row, turned where the image lies on its side, see `images.decode`."""
    return (np.rot90(small, -1) if pixels.shape[1] > pixels.shape[0] else small).ravel()


def _reduced(frame: Frame) -> tuple[int, int]:
    """Return (width, height) in pixels of an eighth: a part of the last one may be beyond the image's edge."""
    return math.ceil(frame.width / _REDUCED), math.ceil(frame.height / _REDUCED)


def _windows(frame: Frame) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the weights along the rows and the columns of a JPEG at an eighth of its size."""
    across, down = (_weights(math.ceil(side / _REDUCED), side / _REDUCED) for side in (frame.width, frame.height))
    return across, down


@lru_cache
def _weights(length: int, size: float) -> NDArray[np.float32]:
    """Return how much each of ``length`` pixels counts in each of the averages along an axis, (16, length).

    The image ends after ``size`` pixels, of which the last need not be a whole one. Each row's sum is _WHOLE.
    """
    edges = np.minimum(np.arange(length + 1), size) * (SIDE / size)
    off = np.clip(edges - (np.arange(SIDE) + 0.5)[:, None], -1.0, 1.0)
    area = 0.5 + off - off * np.abs(off) / 2  # of a triangle, from its left end
    share = (area - area[:, :1]) / (area[:, -1:] - area[:, :1])
    return np.asarray(np.diff(np.rint(_WHOLE * share), axis=1), np.float32)


def candidate_matches(ours: Thumbs, theirs: Thumbs) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which of our rough thumbnails have one of theirs that might be a twin, and which of theirs these are."""
    mine, others = np.zeros(len(ours), np.bool_), np.zeros(len(theirs), np.bool_)
    for here, rows in _near(ours, theirs, _ROUGH_LEVELS):
        mine[here] = others[rows] = True
    return mine, others


def near_duplicates(ours: Thumbs, theirs: Thumbs) -> Iterator[tuple[int, int]]:
    """Yield (row in ours, row in theirs) for each of ours that has a twin: the nearest, of several the first."""
    for here, rows in _near(ours, theirs, _LEVELS):
        distance = np.abs(theirs[rows].astype(np.int16) - ours[here]).sum(axis=1)
        yield here, int(rows[distance == distance.min()].min())


def _near(ours: Thumbs, theirs: Thumbs, levels: int) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yield each row of ours that has rows of theirs in which no average is more than ``levels`` off, and these.

    Exact, and fast where images differ: ``theirs`` are sorted by the average that varies most, and of the rows
    near in it those are kept, one average after the other, that are near in the next.
    """
    if not len(ours) or not len(theirs):
        return
    order_of_columns = np.argsort(-theirs.astype(np.float32).var(axis=0), kind="stable")
    theirs_ordered = theirs[:, order_of_columns].astype(np.int16)
    ours_ordered = ours[:, order_of_columns].astype(np.int16)
    rows = np.argsort(theirs_ordered[:, 0], kind="stable")
    columns = np.ascontiguousarray(theirs_ordered[rows].T)
    starts = np.searchsorted(columns[0], ours_ordered[:, 0] - levels, "left")
    ends = np.searchsorted(columns[0], ours_ordered[:, 0] + levels, "right")
    for here, (mine, start, end) in enumerate(zip(ours_ordered, starts, ends, strict=True)):
        near = np.arange(start, end)
        for column in range(1, len(mine)):
            if not len(near):
                break
            near = near[np.abs(columns[column, near] - mine[column]) <= levels]
        if len(near):
            yield here, rows[near]

"""What a picture looks like at 16 × 16 pixels: nearly the same pictures have nearly the same thumbnails.

Found on decoded pixels, so that neither another file name, another quality of JPEG nor another size hides a twin. Most
pictures look like no other one, which a rough thumbnail tells in half the time of a thumbnail in colour.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.pictures import Pixels, decode_as

Thumb = NDArray[np.uint8]
"""(768,) or, a rough one, (256,): 16 × 16 averages in a row."""

Thumbs = NDArray[np.uint8]
"""(n, 768) or (n, 256): one row a picture."""

SIDE = 16
_LEVELS = 4
"""Levels of 256 in which the averages of two nearly identical pictures differ at most; another JPEG moves them by 1."""
_ROUGH_LEVELS = 6
"""The same of rough thumbnails: another size moves them by up to 5."""
_REDUCED = 8
"""A JPEG gives one pixel for 8 × 8 without being decoded: their average, which it stores."""
_WHOLE = 256
"""What the weights of an average add up to; two times these and 255 are still exact in float32."""
_SIZES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
"""The JPEG segments that tell the size."""


def thumb(data: bytes) -> Thumb | None:
    """Return the thumbnail (768,) of an encoded picture, RGB, upright; None where it cannot be decoded."""
    pixels = decode_as(data, cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        return None
    return _upright(np.asarray(cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8), pixels)


def rough_thumb(data: bytes) -> Thumb | None:
    """Return the rough thumbnail (256,) of an encoded picture, grey, upright; None where it cannot be decoded.

    Each average is over two by two of its 16 × 16 fields, the less the farther from the middle: at an eighth of the
    size an edge inside of a pixel is lost, and where a field ended in such a pixel the average would jump.
    """
    is_jpeg = data.startswith(b"\xff\xd8")
    pixels = decode_as(data, cv2.IMREAD_REDUCED_GRAYSCALE_8 if is_jpeg else cv2.IMREAD_GRAYSCALE)
    if pixels is None:
        return None
    height, width = pixels.shape
    size = (_true_size(data, width, height) if is_jpeg else None) or (width, height)
    across, down = (_weights(length, of) for length, of in zip((width, height), size, strict=True))
    # Sums of whole numbers below 2^24, so the same bits on every processor.
    sums = (down @ pixels.astype(np.float32) @ across.T).astype(np.int32)
    return _upright(((sums + _WHOLE**2 // 2) // _WHOLE**2).astype(np.uint8), pixels)


def _upright(small: NDArray[np.uint8], pixels: Pixels) -> Thumb:
    """Return the thumbnail as a row, turned where the picture lies on its side, see `pictures.decode`."""
    return (np.rot90(small, -1) if pixels.shape[1] > pixels.shape[0] else small).ravel()


def _true_size(data: bytes, width: int, height: int) -> tuple[float, float] | None:
    """Return a JPEG's size in pixels of an eighth: a part of the last one may be beyond the picture's edge.

    None where that is not known, or at another edge, as of a picture that its EXIF orientation turned.
    """
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        if data[place + 1] in _SIZES:
            down, across = (int.from_bytes(data[at : at + 2]) / _REDUCED for at in (place + 5, place + 7))
            return (across, down) if (math.ceil(across), math.ceil(down)) == (width, height) else None
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    return None


@lru_cache
def _weights(length: int, size: float) -> NDArray[np.float32]:
    """Return how much each of ``length`` pixels counts in each of the averages along an axis, (16, length).

    The picture ends after ``size`` pixels, of which the last need not be a whole one. Each row's sum is _WHOLE.
    """
    edges = np.minimum(np.arange(length + 1), size) * (SIDE / size)
    off = np.clip(edges - (np.arange(SIDE) + 0.5)[:, None], -1.0, 1.0)
    area = 0.5 + off - off * np.abs(off) / 2  # of a triangle, from its left end
    share = (area - area[:, :1]) / (area[:, -1:] - area[:, :1])
    return np.asarray(np.diff(np.rint(_WHOLE * share), axis=1), np.float32)


def with_company(ours: Thumbs, theirs: Thumbs) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which of our rough thumbnails have one of theirs that might be a twin, and which of theirs these are."""
    mine, others = np.zeros(len(ours), np.bool_), np.zeros(len(theirs), np.bool_)
    for here, rows in _near(ours, theirs, _ROUGH_LEVELS):
        mine[here] = others[rows] = True
    return mine, others


def twins(ours: Thumbs, theirs: Thumbs) -> Iterator[tuple[int, int]]:
    """Yield (row in ours, row in theirs) for each of ours that has a twin: the nearest, of several the first."""
    for here, rows in _near(ours, theirs, _LEVELS):
        distance = np.abs(theirs[rows].astype(np.int16) - ours[here]).sum(axis=1)
        yield here, int(rows[distance == distance.min()].min())


def _near(ours: Thumbs, theirs: Thumbs, levels: int) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yield each row of ours that has rows of theirs in which no average is more than ``levels`` off, and these.

    Exact, and fast where pictures differ: ``theirs`` are sorted by the average that varies most, and of the rows
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

"""Thumbnails of 16 × 16 pixels, to find near-duplicates: similar images have similar thumbnails.

They are computed from decoded pixels, so that near-duplicates with another file name, JPEG quality or size are found.
Most images match no other one; a rough thumbnail of the upper half excludes those in an eighth of the time that a full
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
"""Flattened 16 × 16 averages: (768,) of a full thumbnail, (256,) of a rough one, (112,) of its upper half."""

Thumbs = NDArray[np.uint8]
"""(n, 768), (n, 256) or (n, 112): one row per image."""

SIDE = 16
_UPPER = 7
"""Rows of the upper half, of 16: the window of the last one ends above the image's middle."""
_LEVELS = 4
"""Maximum difference, of 256 levels, of the averages of near-duplicates; another JPEG quality changes them by 1."""
_ROUGH_LEVELS = 6
"""The same for rough thumbnails: another size changes them by up to 5."""
_REDUCED = 8
"""A JPEG stores the average of each 8 × 8 block, so that an eighth of its size is read without full decoding."""
_WHOLE = 256
"""Sum of the weights of an average; its square times 255 is still exact in float32."""


def thumb(data: bytes) -> Thumb | None:
    """Return the thumbnail (768,) of an encoded image, RGB, upright; None if it cannot be decoded."""
    pixels = decode_as(data, cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        return None
    return _upright(np.asarray(cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8), pixels)


def rough_thumb(data: bytes) -> Thumb | None:
    """Return the rough thumbnail (256,) of an encoded image, grey, upright; None if it cannot be decoded.

    Each average covers 2 × 2 cells of the 16 × 16 grid, with weights that fall off from the middle. At an eighth of the
    size an edge inside a pixel is lost; with plain cells, the average would jump if a cell ended in such a pixel.
    """
    is_jpeg = data.startswith(b"\xff\xd8")
    pixels = decode_as(data, cv2.IMREAD_REDUCED_GRAYSCALE_8 if is_jpeg else cv2.IMREAD_GRAYSCALE)
    if pixels is None:
        return None
    height, width = pixels.shape
    frame = frame_of(data)
    as_stored = frame is not None and _reduced(frame) == (width, height)  # not if EXIF data rotated it
    across, down = _windows(frame) if frame and as_stored else (_weights(width, width), _weights(height, height))
    return _upright(_averages(pixels, down, across), pixels)


def upper_thumb(data: bytes) -> Thumb | None:
    """Return the first 7 of 16 rows of the rough thumbnail, (112,); of most JPEGs only these rows are decoded."""
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
    # Sums of integers below 2^24 are exact in float32, so the bits are the same on every processor.
    sums = (down @ pixels.astype(np.float32) @ across.T).astype(np.int32)
    return ((sums + _WHOLE**2 // 2) // _WHOLE**2).astype(np.uint8)


def _upright(small: NDArray[np.uint8], pixels: Pixels) -> Thumb:
    """Return the thumbnail flattened, rotated if the image is on its side, see `images.decode`."""
    return (np.rot90(small, -1) if pixels.shape[1] > pixels.shape[0] else small).ravel()


def _reduced(frame: Frame) -> tuple[int, int]:
    """Return (width, height) at an eighth of the size; the last pixel may extend beyond the image's edge."""
    return math.ceil(frame.width / _REDUCED), math.ceil(frame.height / _REDUCED)


def _windows(frame: Frame) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the weights along the rows and the columns of a JPEG at an eighth of its size."""
    across, down = (_weights(math.ceil(side / _REDUCED), side / _REDUCED) for side in (frame.width, frame.height))
    return across, down


@lru_cache
def _weights(length: int, size: float) -> NDArray[np.float32]:
    """Return the weight of each of ``length`` pixels in each of the averages along an axis, (16, length).

    The image ends after ``size`` pixels, which may be fractional. Each row sums to _WHOLE.
    """
    edges = np.minimum(np.arange(length + 1), size) * (SIDE / size)
    off = np.clip(edges - (np.arange(SIDE) + 0.5)[:, None], -1.0, 1.0)
    area = 0.5 + off - off * np.abs(off) / 2  # of a triangle window, integrated from its left end
    share = (area - area[:, :1]) / (area[:, -1:] - area[:, :1])
    return np.asarray(np.diff(np.rint(_WHOLE * share), axis=1), np.float32)


def candidate_matches(ours: Thumbs, theirs: Thumbs) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return masks over ours and over theirs: which rough thumbnails may have a near-duplicate on the other side."""
    mine, others = np.zeros(len(ours), np.bool_), np.zeros(len(theirs), np.bool_)
    for here, rows in _near(ours, theirs, _ROUGH_LEVELS):
        mine[here] = others[rows] = True
    return mine, others


def near_duplicates(ours: Thumbs, theirs: Thumbs) -> Iterator[tuple[int, int]]:
    """Yield (row in ours, row in theirs) for each of ours with a near-duplicate: the nearest, on a tie the first."""
    for here, rows in _near(ours, theirs, _LEVELS):
        distance = np.abs(theirs[rows].astype(np.int16) - ours[here]).sum(axis=1)
        yield here, int(rows[distance == distance.min()].min())


def repeated(thumbs: Thumbs) -> NDArray[np.bool_]:
    """Return a mask over rough thumbnails: which may have a near-duplicate among the others."""
    mask = np.zeros(len(thumbs), np.bool_)
    for here, rows in _near(thumbs, thumbs, _ROUGH_LEVELS):
        mask[here] = len(rows) > 1  # one of them is the row itself
    return mask


def earlier_near_duplicates(thumbs: Thumbs) -> Iterator[tuple[int, int]]:
    """Yield (row, first row) for each with near-duplicates before it; those of one row are one group.

    A group is a row that has no earlier near-duplicate, and the later ones that are its own: near-duplicates of
    near-duplicates do not chain, or slowly changing frames of a film would all be one.
    """
    first: dict[int, int] = {}
    for here, rows in _near(thumbs, thumbs, _LEVELS):
        heads = [row for row in rows.tolist() if row < here and row not in first]
        if heads:
            first[here] = min(heads)
            yield here, first[here]


def _near(ours: Thumbs, theirs: Thumbs, levels: int) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yield each row of ours that has rows of theirs with every average within ``levels``, and those rows.

    Exact, and fast if images differ: ``theirs`` is sorted by the average that varies most, and the rows within range
    are then filtered by one average after the other.
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

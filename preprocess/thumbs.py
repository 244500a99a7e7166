"""What a picture looks like at 16 × 16 pixels: nearly the same pictures have nearly the same thumbnails.

Found on decoded pixels, so that neither another file name, another quality of JPEG nor another size hides a twin.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

Thumbs = NDArray[np.uint8]
"""(n, 768): one row a picture, 16 × 16 RGB averages."""

SIDE = 16
_LEVELS = 4
"""Levels of 256 in which the averages of two nearly identical pictures differ at most; another JPEG moves them by 1."""


def thumb(data: bytes) -> NDArray[np.uint8] | None:
    """Return the thumbnail (768,) of an encoded picture, upright; None where it cannot be decoded.

    A JPEG is decoded at a quarter of its size, which takes half the time of the whole and averages what it leaves out;
    decoders of other formats would pick single pixels.
    """
    flags = cv2.IMREAD_REDUCED_COLOR_4 if data.startswith(b"\xff\xd8") else cv2.IMREAD_COLOR
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error:
        pixels = None
    if pixels is None:
        return None
    if pixels.shape[1] > pixels.shape[0]:  # some lie on their side, see `pictures.decode`
        pixels = cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE)
    return np.asarray(cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8).ravel()


def twins(ours: Thumbs, theirs: Thumbs) -> Iterator[tuple[int, int]]:
    """Yield (row in ours, row in theirs) for each of ours that has a twin: the nearest, of several the first.

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
    starts = np.searchsorted(columns[0], ours_ordered[:, 0] - _LEVELS, "left")
    ends = np.searchsorted(columns[0], ours_ordered[:, 0] + _LEVELS, "right")
    for here, (mine, start, end) in enumerate(zip(ours_ordered, starts, ends, strict=True)):
        near = np.arange(start, end)
        for column in range(1, len(mine)):
            if not len(near):
                break
            near = near[np.abs(columns[column, near] - mine[column]) <= _LEVELS]
        if len(near):
            distance = np.abs(columns[:, near] - mine[:, None]).sum(axis=0)
            yield here, int(rows[near][distance == distance.min()].min())

"""The network's square pasted back into the photograph that it was cropped from.

**What is kept.** A pixel of the photograph is kept, byte for byte, unless its area overlaps a hidden pixel of Ia: one
of exactly mid-grey. Pixels beyond the crop are kept. All others may be replaced, and only those are. Where a crop
reaches beyond the photograph, the pixels of Ia that are not wholly inside are mid-grey whatever is there, and so are
the result's: each counts as the nearest one that is inside.

**The seam.** The photograph shows the garment that is taken off right beside what is kept, so the result is not blended
with it there: its colours are corrected by what they are off at the rim, carried inwards smoothly. Where photograph and
result agree (`agreement`), the photograph's pixels stay, and the seam runs there, where it is least seen. Where the
result shows another room than the photograph's, what stays of that is continued, as a blur. Where the person's outline
is known (`outlined`), all outside of it stays but what the new garment covers.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from schemas import MID_GREY, Crop
from train.data.shards import Pixels
from train.inference.pasting.agreement import Comparison, Mask, Pose, compare, confidence
from train.inference.pasting.interpolation import Values, interpolated
from train.inference.pasting.outlined import Outline, compose

Array = TypeVar("Array", bound=NDArray[Any])

_ROUNDING = 1e-9
"""Pixels of Ia; a smaller overlap is an error of rounding."""
_EDGE = 1e-3
"""Pixels of Ia by which one may reach beyond the photograph's edge and still count as inside."""
_COARSEST = 64
"""Side of the smallest stage's images: their pixels that are not wholly inside the photograph are grey, and later
stages keep traces of that in the pixels beside them."""
_AROUND = 4
"""How far around the hidden pixels the photograph is compared with the result, in pixels of Ia."""
_PER_CELL = 4
"""Maximum resolution of the correction of colours, in pixels per pixel of Ia."""
_BAND = 256
"""Rows that are blended at once, which bounds the memory."""


class Region(NamedTuple):
    """The square that was cropped, in pixels of the photograph; it may reach beyond it, and between its pixels."""

    left: float
    top: float
    width: float
    height: float

    @classmethod
    def of(cls, crop: Crop, scale: tuple[float, float] = (1.0, 1.0)) -> Region:
        """Return a crop's region in a photograph that is ``scale`` (across, down) times as large."""
        return cls(crop.x * scale[0], crop.y * scale[1], crop.side * scale[0], crop.side * scale[1])

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, width and height in whole pixels."""
        left, top = round(self.left), round(self.top)
        return left, top, max(1, round(self.width)), max(1, round(self.height))


class _Window(NamedTuple):
    """Rows and columns of the photograph."""

    rows: slice
    columns: slice


def hidden_in(Ia: Pixels) -> Mask:
    """Return which pixels of Ia (n, n, 3) are hidden: those of exactly mid-grey."""
    return np.asarray((Ia == MID_GREY).all(axis=2), np.bool_)


def replaceable(hidden: Mask, region: Region, size: tuple[int, int]) -> Mask:
    """Return which pixels of a photograph of ``size`` (height, width) may be replaced: the area overlaps a hidden one.

    All others are kept. ``hidden`` is (n, n), of the region.
    """
    hidden = _continued(hidden, region, size, len(hidden))
    down = _overlapped(region.top, region.height, len(hidden), size[0])
    across = _overlapped(region.left, region.width, hidden.shape[1], size[1])
    return _any_between(_any_between(hidden, *down).T, *across).T


def paste_back(
    photograph: Pixels,
    result: Pixels,
    hidden: Mask,
    region: Region,
    pose: Pose | None = None,
    outline: Outline | None = None,
) -> Pixels:
    """Return the photograph, uint8 (h, w, 3), with the result (n, n, 3) in place of what was hidden of its region.

    ``hidden`` (m, m) are the hidden pixels of Ia, ``pose`` is the person's in [0, 1] of the region, ``outline`` what is
    known of the person in the photograph. Pixels that are not `replaceable` are the photograph's.
    """
    pasted = photograph.copy()
    size = photograph.shape[0], photograph.shape[1]
    hidden = _continued(hidden, region, size, len(hidden))
    if outline is not None:  # no label is beyond the photograph, where its edge is continued
        outline = Outline(*(_continued(mask, region, size, len(mask)) for mask in outline))
    inner = _continued(result, region, size, math.gcd(len(result), _COARSEST), margin=1)
    replaced = replaceable(hidden, region, size)
    window = _window_around(replaced, round(_AROUND * max(region.width, region.height) / len(hidden)) + 1)
    if window is None:
        return pasted
    weight, inner = _cell_weights(photograph, inner, hidden, region, pose, outline)
    part, may_change = photograph[window], replaced[window]
    painted = _enlarged(inner, region, window)
    share = _enlarged(weight, region, window)
    share[~may_change] = 0
    correction = _correction(part, painted, share, len(hidden), region)
    target = pasted[window]
    for start in range(0, len(part), _BAND):
        rows = slice(start, start + _BAND)
        matched = painted[rows].astype(np.float32) + correction[rows]
        old = part[rows].astype(np.float32)
        mixed = np.clip(np.rint(old + share[rows, :, None] * (np.clip(matched, 0, 255) - old)), 0, 255)
        np.copyto(target[rows], mixed.astype(np.uint8), where=may_change[rows, :, None])
    return pasted


def _continued(square: Array, region: Region, size: tuple[int, int], grid: int, margin: int = 0) -> Array:
    """Return a square image (n, n, …) with the nearest pixel inside of the photograph in place of each one outside.

    Inside are the whole cells of a ``grid`` of that many rows and columns, of which n is a multiple, but for ``margin``
    of them at each edge that the region reaches beyond.
    """
    rows, columns = (
        _nearest_inside(start, extent, grid, margin, len(square), length)
        for start, extent, length in zip((region.top, region.left), (region.height, region.width), size, strict=True)
    )
    inner: Any = square[rows[:, None], columns]
    continued: Array = inner
    return continued


def _nearest_inside(start: float, extent: float, grid: int, margin: int, count: int, length: int) -> NDArray[np.intp]:
    """Return for each of ``count`` pixels the nearest one between the photograph's edges; itself if there is none."""
    step = extent / grid
    first = math.ceil(-start / step - _EDGE)
    after = math.floor((length - start) / step + _EDGE)
    first = first + margin if first > 0 else 0
    after = after - margin if after < grid else grid
    numbers = np.arange(count)
    return np.clip(numbers, first * count // grid, after * count // grid - 1) if first < after else numbers


def _overlapped(start: float, extent: float, cells: int, count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return for each of ``count`` pixels the first cell that it overlaps and the one after the last."""
    edges = (np.arange(count + 1) - start) * (cells / extent)
    first = np.clip(np.floor(edges[:-1] + _ROUNDING), 0, cells).astype(np.intp)
    last = np.clip(np.ceil(edges[1:] - _ROUNDING), 0, cells).astype(np.intp)
    return first, np.maximum(first, last)


def _any_between(mask: Mask, first: NDArray[np.intp], last: NDArray[np.intp]) -> Mask:
    """Return for each pair of row numbers whether the mask (n, m) holds in any of the rows between: (pairs, m)."""
    counts = np.zeros((len(mask) + 1, mask.shape[1]), np.int32)
    np.cumsum(mask, axis=0, out=counts[1:])
    return np.asarray(counts[last] > counts[first], np.bool_)


def _window_around(mask: Mask, margin: int) -> _Window | None:
    """Return the rows and columns of the mask with a margin, None if it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    around = (
        slice(max(0, int(at[0]) - margin), min(length, int(at[-1]) + 1 + margin))
        for at, length in zip((rows, columns), mask.shape, strict=True)
    )
    return _Window(*around)


def _cell_weights(
    photograph: Pixels, result: Pixels, hidden: Mask, region: Region, pose: Pose | None, outline: Outline | None
) -> tuple[Values, Pixels]:
    """Return how much of the result the hidden cells show (n, n), continued into the cells that are shown; the result.

    In the result, the network's room is replaced by the photograph's where the two differ.
    """
    cells = len(hidden)
    square = (cells, cells)
    around = resized(framed(photograph, region, repeat_edges=True), square)
    painted = resized(result, square)
    if outline is not None:
        found = compose(around, painted, hidden, outline, pose)
    else:
        found = compare(around, painted, hidden, pose)
    # Shown cells take their neighbours' highest weight: no photograph may shine through at the rim of a hidden cell.
    new = np.where(hidden, found.weight, np.float32(0))
    highest = np.asarray(cv2.dilate(new, np.ones((3, 3), np.uint8)), np.float32)
    return np.where(hidden, found.weight, highest), _with_room(result, found)


def _with_room(result: Pixels, found: Comparison) -> Pixels:
    """Return the result (m, m, 3) with the photograph's room, continued, in place of its own."""
    if found.lift is None and not found.room.any():
        return result
    size = (len(result), len(result))
    share, new = resized(found.room, size)[..., None], resized(found.continued, size)
    lifted = result if found.lift is None else result + resized(found.lift, size)
    return np.asarray(np.clip(np.rint(lifted + share * (new - lifted)), 0, 255), np.uint8)


def framed(image: Pixels, region: Region, *, repeat_edges: bool = False) -> Pixels:
    """Return the region of an image (h, w, 3) in whole pixels; beyond the image it is grey, or its edges repeated."""
    left, top, width, height = region.box
    rows, columns = (
        slice(min(max(0, start), length), max(0, min(length, start + extent)))
        for start, extent, length in zip((top, left), (height, width), image.shape[:2], strict=True)
    )
    borders = rows.start - top, top + height - rows.stop, columns.start - left, left + width - columns.stop
    how = cv2.BORDER_REPLICATE if repeat_edges else cv2.BORDER_CONSTANT
    inside = np.ascontiguousarray(image[rows, columns])
    return np.asarray(cv2.copyMakeBorder(inside, *borders, how, value=(MID_GREY,) * 3), np.uint8)


def _enlarged(square: Array, region: Region, window: _Window) -> Array:
    """Return a square image as it lies in the window of the photograph; around the region its edge is repeated."""
    left, top, width, height = region.box
    scaled = resized(square, (width, height))
    rows = np.clip(np.arange(window.rows.start, window.rows.stop) - top, 0, height - 1)
    columns = np.clip(np.arange(window.columns.start, window.columns.stop) - left, 0, width - 1)
    window_pixels: Array = scaled[rows[:, None], columns]
    return window_pixels


def _correction(part: Pixels, painted: Pixels, share: Values, cells: int, region: Region) -> Values:
    """Return what to add to the result (h, w, 3): its error of colour at what stays, carried inwards."""
    height, width = share.shape
    scale = min(1.0, _PER_CELL * cells / max(region.width, region.height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    difference = resized(part, size).astype(np.float32) - resized(painted, size)
    known = resized((share == 0).astype(np.float32), size) == 1
    blurred = np.asarray(cv2.GaussianBlur(difference, (0, 0), _PER_CELL / 2), np.float32)
    return resized(interpolated(difference, known * confidence(blurred)), (width, height))


def resized(image: Array, size: tuple[int, int]) -> Array:
    """Scale to (width, height): area averaging to shrink; to enlarge, cubic for pixels and linear for other values."""
    if image.shape[1::-1] == size:
        return image
    enlarging = cv2.INTER_CUBIC if image.dtype == np.uint8 else cv2.INTER_LINEAR
    smaller = size[0] <= image.shape[1] and size[1] <= image.shape[0]
    scaled: Array = cv2.resize(image, size, interpolation=cv2.INTER_AREA if smaller else enlarging)  # type: ignore[assignment]
    return scaled

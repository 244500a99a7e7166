"""Derives Jg from a garment's outline if there are no landmarks: a geometric rule on the product's mask.

It is used for datasets without landmarks, and for photographs whose outline `prep annotate` finds.

The garment is assumed to lie or hang upright with its front to the camera, so that the wearer's left is at larger x.
The slots are those of AI-Hub's landmarks.

Tops and dresses. In each row the run of the mask around the middle column is the trunk. A sleeve connected to it ends
where the run narrows abruptly, at the sleeve's end or at the armpit; above, the trunk continues straight up. Everything
outside the trunk is sleeve, if it is more than a sliver.

shoulders  where the trunk's edge meets the garment's upper outline
elbows     a short sleeve's end; half way along a long one
wrists     a long sleeve's end
hips       the hem's corners; of a dress its waist, the narrowest row of the trunk's upper half
knees, ankles   of a dress: the trunk's edge half way from waist to hem, and the hem's corners

Trousers, shorts and skirts. A garment has legs if its sides end lower than its middle.

hips       the waist's corners
knees      the end of a short garment: the middle of each leg, or a skirt's corners; half way down a long one
ankles     the end of a long garment
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.masks import box_of, largest_piece
from preprocess.formats.images import Mask
from schemas import NUM_KEYPOINTS, Garment, Keypoint

Points = NDArray[np.float64]

_STEP = 0.02
"""Number of rows over which a connected sleeve ends, as a share of the height."""
_JOINED = 0.85
"""Maximum width below the end of a connected sleeve, as a share of the width above it."""
_LOWEST_JOINT = 0.8
"""Lowest position of that end, as a share of the height; farther down it is the hem."""
_SLEEVE = 0.04
"""Minimum area outside the trunk, on one side and as a share of the garment's, that counts as a sleeve."""
_LONG_SLEEVE = 0.6
"""Minimum distance of a long sleeve's end from the shoulder, in lengths of the trunk."""
_END = 0.06
"""Depth of a sleeve's or a leg's end that is averaged, as a share of its length."""
_EDGE_ROWS = 0.02
"""Distance from a hem or a waist at which its corners are taken, as a share of the height: edges are uneven."""
_WAIST = (0.25, 0.55)
"""Range of a dress's waist, as shares of its height."""
_LONG = 1.9
"""Minimum height of a long skirt or long trousers, in widths of the waist."""
_LEGS = 0.97
"""Lowest end of the middle of a garment with legs, as a share of its height: shorts have a small notch."""
_NOTCH = 0.05
"""Half the width of this middle, as a share of the garment's width."""
_KNEE = {"legs": 0.57, "skirt": 0.5}
"""Position of the knees' slots between waist and hem, as a share."""


def landmarks(mask: Mask, garment: Garment) -> Points:
    """Return the garment's points (17, 3), x and y in pixels of the mask (h, w) and 1 where known, else all zeros.

    The mask must not be empty.
    """
    box = box_of(mask)
    assert box is not None, "a mask without a garment"
    rows, columns = box
    shape = mask[box]
    marks = _lower(shape) if garment == "lower" else _top(shape, dress=garment == "dress")
    points = np.zeros((NUM_KEYPOINTS, 3))
    for slot, (x, y) in marks.items():
        points[slot] = x + columns.start, y + rows.start, 1.0
    return points


Marks = dict[Keypoint, tuple[float, float]]


def _top(shape: Mask, *, dress: bool) -> Marks:
    height = len(shape)
    middle = _middle(shape)
    left, right = _trunk(shape, middle)
    hem = _last_row(shape, middle, (right - left).mean())
    trunk = hem + 1
    marks: Marks = {}
    for side, edge in ((1, right), (-1, left)):
        shoulder = _shoulder(shape, middle, edge, side)
        marks[_slot(Keypoint.LEFT_SHOULDER, side)] = shoulder
        marks |= _sleeve(shape, edge, shoulder, side, trunk)
        low = min(max(0, round(hem - _EDGE_ROWS * height)), height - 1)
        corner = float(edge[low]), float(hem)
        if not dress:
            marks[_slot(Keypoint.LEFT_HIP, side)] = corner
            continue
        start, stop = (round(share * hem) for share in _WAIST)
        waist = start + int((right - left)[start : max(stop, start + 1)].argmin())
        between = (waist + hem) // 2
        marks |= {
            _slot(Keypoint.LEFT_HIP, side): (float(edge[waist]), float(waist)),
            _slot(Keypoint.LEFT_KNEE, side): (float(edge[between]), float(between)),
            _slot(Keypoint.LEFT_ANKLE, side): corner,
        }
    return marks


def _slot(left: Keypoint, side: int) -> Keypoint:
    """Return the slot of the wearer's left (side 1) or right."""
    return left if side == 1 else left.mirrored


def _middle(shape: Mask) -> int:
    """Return the column of the mask's axis of symmetry: the median of its rows' middles."""
    rows = shape.any(axis=1)
    first = shape.argmax(axis=1)[rows]
    last = shape.shape[1] - 1 - shape[:, ::-1].argmax(axis=1)[rows]
    return int(np.median((first + last) / 2))


def _trunk(shape: Mask, middle: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the first and last column of the trunk in each row."""
    left = _reach(shape[:, middle::-1])
    right = _reach(shape[:, middle:])
    return middle - _without_sleeve(left), middle + _without_sleeve(right)


def _reach(half: Mask) -> NDArray[np.float64]:
    """Return how far the mask extends from the first column in each row, -1 if it does not include that column."""
    gap = ~half
    reach: NDArray[np.float64] = np.where(gap.any(axis=1), gap.argmax(axis=1), half.shape[1]).astype(np.float64) - 1
    return reach


def _without_sleeve(reach: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the half-width of the trunk in each row; above the end of a connected sleeve it is constant."""
    height = len(reach)
    filled = np.flatnonzero(reach > 0)
    if not len(filled):
        return np.zeros(height)
    step = max(1, round(_STEP * height))
    drops = np.flatnonzero((reach[step:] < _JOINED * reach[:-step]) & (reach[step:] > 0))
    drops = drops[drops < _LOWEST_JOINT * height]
    first = int(drops[-1]) + step if len(drops) else int(filled[0])
    trunk = np.where(reach > 0, reach, reach[first])
    trunk[:first] = np.minimum(trunk[:first], reach[first])
    # Below the middle of a curved hem, the trunk keeps its width.
    trunk[filled[-1] :] = reach[filled[-1]]
    return trunk


def _last_row(shape: Mask, middle: int, width: float) -> int:
    """Return the lowest row of the mask near the middle column, of the whole mask if there is none."""
    near = shape[:, max(0, round(middle - width / 4)) : round(middle + width / 4) + 1]
    rows = np.flatnonzero(near.any(axis=1))
    return int(rows[-1]) if len(rows) else len(shape) - 1


def _shoulder(shape: Mask, middle: int, edge: NDArray[np.float64], side: int) -> tuple[float, float]:
    """Return the point where the trunk's edge, or the nearest filled column inside it, meets the upper outline."""
    height = len(shape)
    column = min(max(round(float(edge[height // 8])), 0), shape.shape[1] - 1)
    while not shape[: height // 2, column].any() and column != middle:
        column -= side
    return float(column), float(shape[:, column].argmax())


def _sleeve(
    shape: Mask, edge: NDArray[np.float64], shoulder: tuple[float, float], side: int, trunk: int
) -> Marks:  # fmt: skip
    columns = np.arange(shape.shape[1])[None, :]
    outside = largest_piece(shape & ((columns - edge[:, None]) * side > 0))
    if outside.sum() < _SLEEVE * shape.sum():
        return {}
    ys, xs = np.nonzero(outside)
    away = np.hypot(xs - shoulder[0], ys - shoulder[1])
    length = float(away.max())
    end = _mean_at(xs, ys, away >= (1 - _END) * length)
    if length < _LONG_SLEEVE * trunk:
        return {_slot(Keypoint.LEFT_ELBOW, side): end}
    between = np.abs(away - length / 2) <= _END * length
    # If a sleeve overlaps the trunk, only its lower part may be outside the trunk.
    half = _mean_at(xs, ys, between) if between.any() else ((shoulder[0] + end[0]) / 2, (shoulder[1] + end[1]) / 2)
    return {_slot(Keypoint.LEFT_ELBOW, side): half, _slot(Keypoint.LEFT_WRIST, side): end}


def _lower(shape: Mask) -> Marks:
    height = len(shape)
    waist = round(_EDGE_ROWS * height)
    first, last = _ends(shape, waist)
    long = height > _LONG * (last - first + 1)
    marks: Marks = {Keypoint.LEFT_HIP: (last, float(waist)), Keypoint.RIGHT_HIP: (first, float(waist))}
    low = min(height - 1, round((1 - _EDGE_ROWS) * height))
    middle = _middle(shape)
    kind = "legs" if _has_legs(shape, middle) else "skirt"
    for side in (1, -1):
        end = _leg(shape, low, middle, side) if kind == "legs" else _hem_corner(shape, side)
        if not long:
            marks[_slot(Keypoint.LEFT_KNEE, side)] = end
            continue
        knee = round(_KNEE[kind] * height)
        marks[_slot(Keypoint.LEFT_KNEE, side)] = (
            _leg(shape, knee, middle, side) if kind == "legs" else _corner(shape, knee, side)
        )
        marks[_slot(Keypoint.LEFT_ANKLE, side)] = end
    return marks


def _ends(shape: Mask, row: int) -> tuple[float, float]:
    columns = np.flatnonzero(shape[row])
    return (float(columns[0]), float(columns[-1])) if len(columns) else (0.0, float(shape.shape[1] - 1))


def _has_legs(shape: Mask, middle: int) -> bool:
    """Return whether the mask ends higher up in the middle than at its sides."""
    width = max(1, round(_NOTCH * shape.shape[1]))
    near = shape[:, max(0, middle - width) : middle + width + 1]
    ends = len(shape) - near[::-1].argmax(axis=0)
    return bool(ends.min() < _LEGS * len(shape))


def _corner(shape: Mask, row: int, side: int) -> tuple[float, float]:
    first, last = _ends(shape, row)
    return (last if side == 1 else first), float(row)


def _hem_corner(shape: Mask, side: int) -> tuple[float, float]:
    """Return the point with the largest sum of outward and downward distance, since a skirt's hem is curved."""
    ys, xs = np.nonzero(shape)
    farthest = int((ys + side * xs).argmax())
    return float(xs[farthest]), float(ys[farthest])


def _leg(shape: Mask, row: int, middle: int, side: int) -> tuple[float, float]:
    """Return the middle of a trouser leg in a row."""
    columns = np.flatnonzero(shape[row])
    own = columns[columns > middle] if side == 1 else columns[columns <= middle]
    return (float(own.mean()) if len(own) else float(middle)), float(row)


def _mean_at(xs: NDArray[np.int64], ys: NDArray[np.int64], where: Mask) -> tuple[float, float]:
    return float(xs[where].mean()), float(ys[where].mean())

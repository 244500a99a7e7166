"""Which hidden cells of Ia need no new pixels, because photograph and result show the same there: mostly background.

Ia hides the person's whole box, and with it the room around the person. A network repaints that and blurs it, so
that the box would show as a rectangle. Where its pixels agree with the photograph's, these stay. They are cells around
the person, joined to what Ia shows, never on the body: there the photograph shows the garment that is taken off.

Where that garment was, and the network shows a room that is not the photograph's, the photograph's is continued.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from schemas import SKELETON, TORSO, Keypoint
from train.data.shards import Pixels
from train.inference.pasting.interpolation import Values, interpolated

Mask = NDArray[np.bool_]
Pose = NDArray[np.float32]

BLENDED = 2
"""Width of the transition from the photograph's pixels to the result's, in cells."""
_SEARCHED = 2
"""Distance, in cells, within which a similar pixel is searched for: a network's outlines are about as far off."""
_NEAR, _FAR = 20.0, 40.0
"""Largest difference, of 255 levels, that counts as agreement: beside the body, and far from it."""
BODY = 0.12
"""Distance from the skeleton below the neck, in trunk lengths, within which nothing agrees."""
_AROUND = 0.6
"""Distance from which on `_FAR` holds."""
_CLEAR = 0.25
"""Distance from the skeleton, in trunk lengths, from which on colours may tell that the photograph shows the room."""
_SEAM = 2.5 / 64
"""How far inside the box's edge a network mixes what is shown with its own room, as a share of the side: two pixels
of the coarsest stage, blurred."""
_OUTLINE = 24.0
"""Difference of neighbouring cells that is an outline: a network's room has weaker ones."""
_BITS = 5
"""Bits of a level that colours are compared without."""
_SMEAR = 0.005
"""Maximum size of a region apart from the body, as a share of all cells, to be a smear rather than a garment."""
_BESIDE, _APART = 0.15, 0.3
"""Distances from the skeleton, in trunk lengths: the network's own room may be replaced from the first on, and is from
the second."""
SAME, OTHER = 24.0, 64.0
"""Differences at what Ia shows: up to the first all of it is an error of colour, from the second on the result shows
something else than the photograph (a longer garment), which is no reason to change its colours."""


def confidence(difference: Values) -> NDArray[np.float32]:
    """Return how far differences (h, w, 3) between photograph and result are errors of colour, 1 to 0."""
    return 1 - smooth_step(np.abs(difference).max(axis=2), SAME, OTHER)


class Comparison(NamedTuple):
    """What the hidden cells (n, n) show: the photograph, the result, or the photograph's room, continued."""

    weight: Values
    """Share of new pixels: 0, the photograph stays, to 1"""
    room: Values
    """Share of the continued room in these"""
    continued: Values
    """(n, n, 3): what of the photograph's room stays, continued smoothly into what does not"""
    lift: Values | None = None
    """(n, n, 3): what to add to the result before that"""


def compare(photograph: Pixels, result: Pixels, hidden: Mask, pose: Pose | None) -> Comparison:
    """Return for each cell (n, n) what it shows if it is hidden.

    ``photograph`` and ``result`` are (n, n, 3), ``pose`` is (17, 3) in [0, 1] of the square.
    """
    shown = ~hidden
    difference = photograph.astype(np.float32) - result
    matched = result + interpolated(difference, shown * confidence(difference))
    distance = distance_from_body(pose, hidden)
    body = distance < BODY
    tolerance = _NEAR + (_FAR - _NEAR) * smooth_step(distance, BODY, _AROUND)
    agreeing = ((_nearest_difference(photograph, matched) < tolerance) & ~body) | shown
    agreeing |= _islands(~agreeing, body)
    painted_room, room = _rooms(photograph, result.astype(np.float32), hidden, distance)
    agreeing |= room
    core = cv2.erode(agreeing.view(np.uint8), disc(BLENDED + 1))
    _, regions = cv2.connectedComponents(core)
    joined = np.unique(regions[shown & (core > 0)])
    stays = np.isin(regions, joined) & (core > 0) & hidden
    away = cv2.distanceTransform((~stays).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    weight = smooth_step(np.asarray(away, np.float32), 0, BLENDED)
    return Comparison(weight, *_continued_room(photograph, difference, painted_room, stays, distance))


def _continued_room(
    photograph: Pixels, difference: Values, painted: Mask, stays: Mask, distance: Values
) -> tuple[Values, Values]:
    """Return how far the network's room, ``painted``, is replaced by the photograph's, and that, continued.

    Only where the two differ by more than an error of colour: otherwise the network's room has more detail.
    """
    known = np.asarray(stays & painted, np.float32)
    if not known.any():
        return np.zeros_like(distance), photograph.astype(np.float32)
    off = np.abs(interpolated(difference, known)).max(axis=2)
    share = painted * smooth_step(distance, _BESIDE, _APART) * smooth_step(off, SAME, OTHER)
    soft = np.asarray(cv2.GaussianBlur(np.asarray(share, np.float32), (0, 0), BLENDED), np.float32)
    return soft, interpolated(photograph.astype(np.float32), known)


def smooth_step(value: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    """Return 0 up to ``low``, 1 from ``high`` on, and a smooth rise between them."""
    share = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def _islands(differing: Mask, body: Mask) -> Mask:
    """Return small regions of differing cells apart from the body: what a network smears beside what is shown."""
    if not body.any():
        return body
    _, regions, statistics, _ = cv2.connectedComponentsWithStats(differing.view(np.uint8))
    small = np.flatnonzero(statistics[:, cv2.CC_STAT_AREA] <= _SMEAR * differing.size)
    return differing & np.isin(regions, np.setdiff1d(small, regions[body]))


def _nearest_difference(photograph: Pixels, result: Values) -> Values:
    """Return each cell's difference, the largest of three channels, from the most similar cell of the result nearby."""
    side, reach = len(photograph), _SEARCHED
    padded = cv2.copyMakeBorder(result, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    least = np.full(photograph.shape[:2], np.inf, np.float32)
    for row in range(2 * reach + 1):
        for column in range(2 * reach + 1):
            shifted = padded[row : row + side, column : column + side]
            least = np.minimum(least, np.abs(shifted - photograph).max(axis=2))
    return least


def _rooms(photograph: Pixels, result: Values, hidden: Mask, distance: Values) -> tuple[Mask, Mask]:
    """Return the hidden cells where the result shows a room, perhaps another one, and where the photograph does too.

    A network cannot know what is behind the person. The result's room is connected to the box's edge without an outline
    in between; the photograph's is away from the body, in colours more frequent around the box than on the garment.
    """
    rows, columns = np.flatnonzero(hidden.any(axis=1)), np.flatnonzero(hidden.any(axis=0))
    body = hidden & (distance < BODY)
    outside = np.ones_like(hidden)
    if not rows.size or not body.any():
        return body, body
    outside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = False
    if not outside.any():
        return outside, outside
    rim = dilated(outside, 2)  # at the box's edge there may be a seam
    plain = hidden & (_steepness(result) < _OUTLINE)
    _, regions = cv2.connectedComponents((plain | rim).view(np.uint8))
    seeds, seam = _beyond_seam(result, plain & (distance > _CLEAR), outside)
    joined = (np.isin(regions, np.unique(regions[outside | seeds])) | seam) & hidden
    around, garment = (_likelihood(photograph, mask) for mask in (outside, body))
    return joined, joined & (distance > _CLEAR) & (around >= garment)


def _beyond_seam(result: Values, plain: Mask, outside: Mask) -> tuple[Mask, Mask]:
    """Return cells just inside the seam along the box's edge that show a room of one colour, and the seam beside them.

    A network that paints another room than the photograph's mixes the two along the edge, which looks like an outline.
    Its room has the median colour of the ring inside that seam; a garment reaches the ring in few places.
    """
    width = max(2, round(_SEAM * len(outside)))
    strip = dilated(outside, width)
    ring = dilated(outside, width + BLENDED) & ~strip & plain
    if not ring.any():
        return ring, ring
    away = np.abs(result - np.median(result[ring], axis=0)).max(axis=2)
    seeds = ring & (away < _OUTLINE)
    near = dilated(seeds, width + BLENDED)
    return seeds, strip & near & ~outside


def _steepness(image: Values) -> Values:
    """Return how much each cell differs from its neighbours, in the channel that differs most."""
    kernel = np.ones((3, 3), np.uint8)
    return np.asarray((cv2.dilate(image, kernel) - cv2.erode(image, kernel)).max(axis=2), np.float32)


def _likelihood(image: Pixels, mask: Mask) -> Values:
    """Return how frequent each cell's colour is among those of the mask."""
    bins = image >> _BITS
    counts = np.zeros((256 >> _BITS,) * 3)
    np.add.at(counts, tuple(bins[mask].T), 1)
    for axis in range(3):
        padded = np.pad(counts, [(1, 1) if at == axis else (0, 0) for at in range(3)])
        below, above = np.delete(padded, [-1, -2], axis), np.delete(padded, [0, 1], axis)
        counts = 2 * counts + below + above
    return np.asarray(counts[tuple(np.moveaxis(bins, 2, 0))] / counts.sum(), np.float32)


def distance_from_body(pose: Pose | None, hidden: Mask) -> Values:
    """Return each cell's distance from the hidden part of the skeleton below the neck, in trunk lengths.

    Without a pose it is ``BODY`` everywhere, where the least difference counts.
    """
    side = len(hidden)
    unknown = np.full((side, side), BODY, np.float32)
    if pose is None or not (pose[:, 2] > 0).any():
        return unknown
    away = np.full((side, side), 1, np.uint8)
    points = np.rint(pose[:, :2] * side - 0.5).astype(np.int32)
    known = pose[:, 2] > 0
    for first, second in SKELETON:
        if known[first] and known[second] and min(first, second) >= Keypoint.LEFT_SHOULDER:
            cv2.line(away, points[first].tolist(), points[second].tolist(), 0, 1)
    trunk = side / 4
    if known[list(TORSO)].all():
        left, right, left_hip, right_hip = (points[joint] for joint in TORSO)
        cv2.fillConvexPoly(away, np.array([left, right, right_hip, left_hip]), 0)
        trunk = max(side / 32, float(np.hypot(*((left + right - left_hip - right_hip) / 2))))
    away[~hidden] = 1  # trousers that are shown are not taken off
    if away.all():
        return unknown
    cells = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(cells / trunk, np.float32)


def dilated(mask: Mask, radius: int) -> Mask:
    """Return the mask grown by a round kernel."""
    return np.asarray(cv2.dilate(mask.view(np.uint8), disc(radius)) > 0, np.bool_)


def disc(radius: int) -> NDArray[np.uint8]:
    """Return a round kernel."""
    side = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)

"""What the hidden cells show where the person's outline in the photograph is known, from the label map.

Outside of that outline the photograph shows the room, which stays, but where the new garment is wider. Inside of it
nothing of the photograph may stay: where the result shows the garment and the body, it is pasted; where it shows the
network's room, the photograph's is continued.

The result's garment has a soft edge, in which the network's room is mixed. Shares of that are estimated as in matting
(a pixel lies between two colours, that of the room and that of the garment nearby), and that room is removed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import cv2
import numpy as np

from train.data.shards import Pixels
from train.inference.pasting.agreement import (
    BODY,
    OTHER,
    SAME,
    Comparison,
    Mask,
    Pose,
    dilated,
    disc,
    distance_from_body,
    smooth_step,
)
from train.inference.pasting.interpolation import Values, interpolated

_MARGIN: Final = 0.012
"""Width of the strip around the old garment that is replaced too, as a share of the side: labels are off by that."""
_BEYOND: Final = 0.025
"""Distance from the person, as a share of the side, from which on the result shows the network's room."""
_SEAMS: Final = (0.02, 0.008, 0.0)
"""Distances from what Ia shows, as shares of the side, within which the network mixes that with its room: the first
that leaves enough cells is used."""
_ENOUGH: Final = 0.001
"""Share of all cells that tell the colour of the network's room."""
_ROOM: Final = 48.0
"""Largest difference of the network's room from its median, in levels."""
_LEAST: Final = 60.0
"""Least difference of a garment from the network's room, in levels, that counts as all of it."""
_INSIDE, _OUTSIDE, _RISE = 0.25, 0.65, 0.3
"""Share of the garment from which on a cell shows it, inside of the old outline and beyond it; and the rise from there
to a cell that shows it wholly. Beyond the outline little speaks for the garment, and smears are frequent."""
_THICK: Final = 0.012
"""Half-width of what is taken for the new garment beyond the old outline, as a share of the side: seams and smears are
thinner."""
_EDGE: Final = 0.03
"""Width of the garment's soft edge, as a share of the side."""
_PALE: Final = (0.7, 1.0)
"""Difference from the network's room, in that of the garment further inside: below the first the colour
is replaced wholly, from the second on not at all."""
_BESIDE: Final = 0.02
"""Distance from bare arms that stay, as a share of the side, within which the network's arms are not the body."""
_SOFT: Final = 1.2
"""Blur of the outline, in cells."""


class Outline(NamedTuple):
    """What is known of the photograph: masks (n, n) of the square."""

    person: Mask
    bare: Mask
    """Bare arms that the new garment does not cover: they stay"""


def compose(photograph: Pixels, result: Pixels, hidden: Mask, outline: Outline, pose: Pose | None) -> Comparison:
    """Return for each cell (n, n) what it shows if it is hidden.

    ``photograph`` and ``result`` are (n, n, 3), ``pose`` is (17, 3) in [0, 1] of the square.
    """
    side = len(hidden)
    painted = result.astype(np.float32)
    person, bare = outline.person, outline.bare & hidden
    distance = distance_from_body(pose, hidden)
    body = hidden & (distance < BODY) & ~dilated(bare, round(_BESIDE * side))
    worn = _opened(person & hidden & ~bare, 1) | body
    replaced = dilated(worn, round(_MARGIN * side)) & hidden
    known = ~replaced & (hidden | ~person)
    continued = interpolated(photograph.astype(np.float32), known.astype(np.float32))
    backdrop = _backdrop(painted, hidden, person | worn)
    if backdrop is None:
        cover, lift, foreign = worn.astype(np.float32), None, hidden.astype(np.float32)
    else:
        share = np.abs(painted - backdrop).max(axis=2)
        cover = _cover(share / _typical(share, body | worn), hidden & ~bare, person | worn, worn, body)
        # A room like the photograph's is left as the network paints it, with more detail, and its mixtures too.
        foreign = smooth_step(np.abs(backdrop - continued).max(axis=2), SAME, OTHER) * hidden
        lift = _lift(painted, share, cover) * foreign[..., None]
    weight = cv2.GaussianBlur(np.where(replaced, np.float32(1), cover), (0, 0), _SOFT)
    weight = np.where(dilated(worn, 1), np.float32(1), weight) * hidden
    return Comparison(np.asarray(weight, np.float32), (1 - cover) * foreign, continued, lift)


def _backdrop(painted: Values, hidden: Mask, person: Mask) -> Values | None:
    """Return the network's room (n, n, 3), continued beneath the person; None if too little of it is to be seen."""
    side = len(hidden)
    outside = hidden & ~dilated(person, round(_BEYOND * side))
    for seam in _SEAMS:
        sure = outside & ~dilated(~hidden, round(seam * side))
        if sure.sum() < _ENOUGH * sure.size:
            continue
        sure &= np.abs(painted - np.median(painted[sure], axis=0)).max(axis=2) < _ROOM
        if sure.any():
            return interpolated(painted, sure.astype(np.float32))
    return None


def _typical(difference: Values, inside: Mask) -> Values:
    """Return how much the garment nearby differs from the network's room, in levels."""
    smooth = interpolated(difference[..., None], inside.astype(np.float32))[..., 0]
    return np.maximum(smooth, np.float32(_LEAST))


def _cover(relative: Values, hidden: Mask, person: Mask, worn: Mask, body: Mask) -> Values:
    """Return how far each cell shows the garment and the body, 0 to 1."""
    side = len(hidden)
    beyond = np.asarray(cv2.distanceTransform((~person).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)
    least = _INSIDE + (_OUTSIDE - _INSIDE) * smooth_step(beyond, 0, _MARGIN * side)
    share = smooth_step(np.asarray((relative - least) / np.float32(_RISE), np.float32), 0, 1) * hidden
    garment = share > 0.5
    _, regions = cv2.connectedComponents((_opened(garment, _THICK * side) | (garment & worn)).view(np.uint8))
    joined = (regions > 0) & np.isin(regions, np.unique(regions[worn & garment]))
    share = np.where(worn | dilated(joined, 1), share, np.float32(0))
    share[body] = 1
    return np.asarray(cv2.GaussianBlur(share, (0, 0), _SOFT), np.float32)


def _lift(painted: Values, difference: Values, cover: Values) -> Values:
    """Return what to add to the result (n, n, 3) so that the network's room is gone from the garment's soft edge.

    There the result is nearer to the network's room than further inside, whose colours are continued outwards.
    """
    side = len(cover)
    covered = (cover > 0.5).view(np.uint8)
    depth = np.asarray(cv2.distanceTransform(covered, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)
    solid = (depth > _EDGE * side).astype(np.float32)
    if not solid.any():
        return np.zeros_like(painted)
    inner = interpolated(np.dstack([painted, difference]), solid)
    pale = 1 - smooth_step(np.asarray(difference / np.maximum(inner[..., 3], 1), np.float32), *_PALE)
    return np.asarray((pale * (1 - solid))[..., None] * (inner[..., :3] - painted), np.float32)


def _opened(mask: Mask, radius: float) -> Mask:
    """Return the mask without what is thinner than twice the radius."""
    kernel = disc(max(1, round(radius)))
    return np.asarray(cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_OPEN, kernel) > 0, np.bool_)

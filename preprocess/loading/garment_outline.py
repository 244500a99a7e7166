"""Derives Jg from a garment's outline if there are no landmarks: a geometric rule on the product's mask.

It is used for datasets without landmarks, and for photographs whose outline `prep annotate` finds.

The garment is assumed to lie or hang upright with its front to the camera, turned by a few degrees at most, so that the
wearer's left is at larger x. The slots are those of AI-Hub's landmarks. The mask is made small and upright by its axis
of symmetry. A point that the outline does not show is absent: the end of a sleeve that is folded over the trunk, the
shoulder of a one-shoulder top, crossed legs.

Tops and dresses. A sleeve is what lies beyond an armpit, a notch of the outline that opens downwards.

shoulders  the corner between neck and sleeve, near the armpit's column; without sleeves the outer upper corner
elbows     the middle of a short sleeve's end; half way along a long one
wrists     a long sleeve's end
hips       the hem's corners, or where the hem goes behind a sleeve; of a dress its waist, where its width stops falling
knees, ankles   of a dress: the trunk's edge half way from waist to hem, and the hem's corners

Trousers, shorts and skirts. A garment has legs if it has a notch between them.

hips       the waist's corners
knees      the end of a short garment: the middle of each leg, or a skirt's corners; half way down a long one
ankles     the end of a long garment
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.masks import box_of
from preprocess.faults import Fault
from preprocess.formats.images import Mask
from preprocess.loading.outline.hems import covered_hem, goes_behind_sleeve, hem_of, usual_waist, waist
from preprocess.loading.outline.legs import are_crossed, corners_of, crotch_of, is_long, leg_points, skirt_points
from preprocess.loading.outline.notches import notches
from preprocess.loading.outline.plausibility import confidence
from preprocess.loading.outline.shoulders import Arm, arms_of
from preprocess.loading.outline.sleeves import sleeve_points
from preprocess.loading.outline.trunk import Trunk, corner, trunk_of
from preprocess.loading.outline.upright import XY, Upright, upright
from schemas import NUM_KEYPOINTS, Garment, Keypoint

Points = NDArray[np.float64]
Marks = dict[Keypoint, XY]

UNSURE: Final = 0.5
"""Confidence below which landmarks are doubtful."""
_SHOULDER: Final = Keypoint.LEFT_SHOULDER
_SHOULDERS: Final = (Keypoint.LEFT_SHOULDER, Keypoint.RIGHT_SHOULDER)
_FINE: Final = 0.03
"""Size of the notches beside a neck, as a share of the garment's."""
_COVERING, _BESIDE = 1.65, 0.7
"""Of a sleeve folded over the trunk little lies beside it: lowest armpit below the shoulder and least width
beyond the armpit of sleeves that are not, in half trunk widths."""
_OWN_SIDE: Final = 0.3
"""Least distance of a shoulder from the trunk's centre, in half trunk widths."""
_LOWER_SHOULDER: Final = 0.4
"""A side whose upper corner lies lower than the other's by this, in half trunk widths, has no shoulder."""


def estimate(mask: Mask, garment: Garment) -> tuple[Points, float]:
    """Return the garment's points (17, 3) and how well the outline shows them, in [0, 1].

    A point is x and y in pixels of the mask (h, w) and 1 where known, else all zeros. The mask must not be empty.
    """
    shape = upright(mask)
    trunk = None if garment == "lower" else trunk_of(shape)
    marks = _lower(shape) if trunk is None else _top(trunk, dress=garment == "dress")
    points = np.zeros((NUM_KEYPOINTS, 3))
    box = box_of(mask)
    assert box is not None, "a mask without a garment"
    rows, columns = box
    for slot, place in marks.items():
        x, y = shape.original(place)
        points[slot] = (
            min(max(x, float(columns.start)), columns.stop - 1.0),
            min(max(y, float(rows.start)), rows.stop - 1.0),
            1.0,
        )
    return points, confidence(shape, trunk, marks, garment)


def note_of(confidence: float) -> tuple[Fault, ...]:
    """Return the fault that doubtful landmarks are noted as, nothing for others."""
    return (Fault.UNSURE_LANDMARKS,) if confidence < UNSURE else ()


def _top(trunk: Trunk, *, dress: bool) -> Marks:
    marks: Marks = {}
    arms = arms_of(trunk, notches(trunk.points, share=_FINE, upwards=True))
    for side in (1, -1):
        marks |= {_slot(left, side): place for left, place in _arm(trunk, side, arms.get(side)).items()}
    marks |= _shoulders_without_sleeves(trunk, marks)
    hems = _hems(trunk, {side: marks[slot] for side in (1, -1) if (slot := _slot(_SHOULDER, side)) in marks})
    if not dress:
        return marks | {_slot(Keypoint.LEFT_HIP, side): hem for side, hem in hems.items()}
    row = waist(trunk)
    usual = usual_waist(trunk, [marks[slot] for slot in _SHOULDERS if slot in marks])
    for side, hem in hems.items():
        if row is not None:
            marks[_slot(Keypoint.LEFT_HIP, side)] = trunk.edge_at(row, side)
        middle = ((usual if row is None else row) + hem[1]) / 2
        marks[_slot(Keypoint.LEFT_KNEE, side)] = trunk.edge_at(middle, side)
        marks[_slot(Keypoint.LEFT_ANKLE, side)] = hem
    return marks


def _hems(trunk: Trunk, shoulders: dict[int, XY]) -> dict[int, XY]:
    """Return the hem's corners on the sides 1 and -1; one is absent if it is below a folded sleeve."""
    seen = {side: hem for side in (1, -1) if (hem := hem_of(trunk, side)) is not None}
    covered = [side for side in (1, -1) if goes_behind_sleeve(trunk, side)]
    return seen | {side: covered_hem(trunk.pits[side], side, shoulders, seen.get(-side)) for side in covered}


def _arm(trunk: Trunk, side: int, arm: Arm | None) -> Marks:
    """Return the points of a side that has a sleeve."""
    if side not in trunk.pits:
        return {}
    pit = trunk.pits[side]
    if arm is None:
        del trunk.pits[side]
        return {}
    marks = {Keypoint.LEFT_SHOULDER: arm.shoulder}
    if arm.cuff is not None:
        narrow = np.count_nonzero(trunk.sleeves[side].any(axis=0)) < _BESIDE * trunk.half
        if not (narrow and pit.y - arm.shoulder[1] > _COVERING * trunk.half):
            marks[Keypoint.LEFT_ELBOW] = arm.cuff
    elif found := sleeve_points(trunk.sleeves[side], arm.shoulder, (pit.x, pit.y), trunk.half, side):
        marks[Keypoint.LEFT_ELBOW], marks[Keypoint.LEFT_WRIST] = found
    return marks


def _shoulders_without_sleeves(trunk: Trunk, marks: Marks) -> Marks:
    """Return the upper corners on the sides without a sleeve, unless one lies low or on the other side."""
    found: Marks = {}
    corners = {side: corner(trunk.body, side * 1.0, -1.2) for side in (1, -1) if side not in trunk.pits}
    known = [*corners.values(), *(marks[slot] for slot in marks if slot in _SHOULDERS)]
    # Of a garment that leans one shoulder is lower.
    highest = min(y + trunk.lean * x for x, y in known)
    for side, (x, y) in corners.items():
        own = (x - trunk.centre) * side > _OWN_SIDE * trunk.half
        if own and y + trunk.lean * x - highest < _LOWER_SHOULDER * trunk.half:
            found[_slot(Keypoint.LEFT_SHOULDER, side)] = (x, y)
    return found


def _lower(shape: Upright) -> Marks:
    crotch, long = crotch_of(shape), is_long(shape.mask)
    marks: Marks = {}
    waist, crossed = corners_of(shape.mask)[0], are_crossed(shape, crotch)
    for side in (1, -1):
        marks[_slot(Keypoint.LEFT_HIP, side)] = waist[side]
        if crossed:
            continue  # which leg is whose is not on the outline
        middle, end = leg_points(shape, crotch, side) if crotch else skirt_points(shape.mask, side)
        if long:
            marks[_slot(Keypoint.LEFT_KNEE, side)] = middle
        marks[_slot(Keypoint.LEFT_ANKLE if long else Keypoint.LEFT_KNEE, side)] = end
    return marks


def _slot(left: Keypoint, side: int) -> Keypoint:
    """Return the slot of the wearer's left (side 1) or right."""
    return left if side == 1 else left.mirrored

"""Hands and feet: parsers label whole arms and legs, so their ends are separated by the pose (paper, appendix A)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.crop import torso
from preprocess.conditioning.masks import Box, box_of
from preprocess.conditioning.regions import LabelMap, pixels_of
from preprocess.formats.images import Mask
from schemas import Keypoint

Point = NDArray[np.float64]
Joints = dict[str, tuple[Keypoint, Keypoint]]

ARM_JOINTS: Joints = {
    "right_arm": (Keypoint.RIGHT_ELBOW, Keypoint.RIGHT_WRIST),
    "left_arm": (Keypoint.LEFT_ELBOW, Keypoint.LEFT_WRIST),
}
"""Region → its elbow and wrist."""

LEG_JOINTS: Joints = {
    "right_leg": (Keypoint.RIGHT_KNEE, Keypoint.RIGHT_ANKLE),
    "left_leg": (Keypoint.LEFT_KNEE, Keypoint.LEFT_ANKLE),
}
"""Region → its knee and ankle."""

ROOTS = {
    Keypoint.RIGHT_ELBOW: Keypoint.RIGHT_SHOULDER, Keypoint.LEFT_ELBOW: Keypoint.LEFT_SHOULDER,
    Keypoint.RIGHT_KNEE: Keypoint.RIGHT_HIP, Keypoint.LEFT_KNEE: Keypoint.LEFT_HIP,
}  # fmt: skip
"""A limb's middle joint → where the limb begins."""

_HAND = 0.36
"""Length of a hand or a foot in torso lengths, if its joint is not known."""
_UPPER = 0.6
"""Minimum distance of a limb's far end from its shoulder or hip, as a share of the upper half's length; where it is
nearer, only a piece of the upper half is visible."""
_CUT = 0.1
"""Minimum width of a limb's straight end, in torso lengths, for the photograph's edge to have cut it."""
_BEFORE_JOINT = 0.06
"""How far before the joint a hand begins, in forearm lengths."""


def limb_ends(labels: LabelMap, points: NDArray[np.float64], joints: Joints) -> Iterator[Mask]:
    """Yield each hand of the arms, or foot of the legs: the part beyond the limb's last joint.

    ``points`` is the pose (17, 3) in pixels of the crop.
    """
    body = torso(points)
    scale = body[2] if body else 0.0
    for name in joints:
        whole = pixels_of(labels, frozenset({name}))
        box = box_of(whole)
        if box is None or (bone := _last_bone(labels, whole[box], box, points, name, joints, scale)) is None:
            continue
        middle, last = bone
        length = float(np.hypot(*(last - middle)))
        if length < 1:
            continue
        past = along(box, last, (last - middle) / length)
        end = np.zeros_like(whole)
        end[box] = whole[box] & (past > -_BEFORE_JOINT * length) & _in_reach(middle, last, box, scale)
        yield end


def along(box: Box, origin: Point, direction: Point) -> NDArray[np.float32]:
    """Return each pixel's signed distance from ``origin`` along the unit vector ``direction``."""
    rows, columns = _grid(box)
    return (columns - np.float32(origin[0])) * np.float32(direction[0]) + (
        (rows - np.float32(origin[1])) * np.float32(direction[1])
    )


def _grid(box: Box) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rows, columns = (np.arange(part.start, part.stop, dtype=np.float32) for part in box)
    return rows[:, None], columns[None, :]


def _last_bone(
    labels: LabelMap, limb: Mask, box: Box, points: NDArray[np.float64], name: str, joints: Joints, scale: float
) -> tuple[Point, Point] | None:
    """Return the middle and the last joint of the limb, None if it is unknown where its end begins.

    Left and right are swapped in some poses, so the last joint nearest to the limb is used, its own on a tie. If no
    last joint is known, `_bone_by_length` places one. A joint of a low score is often on the forearm of a hidden hand:
    then no hand is cut off, neither there nor by its length, as it would show a sleeve.
    """
    own_middle, own_last = joints[name]
    unsure = 0 < points[own_last, 2] < 1
    sure = points[:, 2] >= 1
    if points[own_middle, 2] and sure[own_last] and _is_on(limb, box, points[own_last]):
        return points[own_middle, :2], points[own_last, :2]  # no other joint can be nearer
    rows, columns = np.nonzero(limb)
    rows, columns = (rows + box[0].start).astype(np.float32), (columns + box[1].start).astype(np.float32)

    def distance(joint: int) -> int:
        across, down = columns - np.float32(points[joint, 0]), rows - np.float32(points[joint, 1])
        return round(math.sqrt(float((across * across + down * down).min())))

    near = [
        (distance(last), side != name, middle, last)
        for side, (middle, last) in joints.items()
        if points[middle, 2] and sure[last]
    ]
    if near and (sure[own_last] or min(near)[0] <= 2):
        _, _, middle, last = min(near)
        return points[middle, :2], points[last, :2]
    if unsure or not points[own_middle, 2]:
        return None
    return _bone_by_length(labels, limb, box, (rows, columns), points, own_middle, scale)


def _bone_by_length(
    labels: LabelMap,
    limb: Mask,
    box: Box,
    pixels: tuple[NDArray[np.float32], NDArray[np.float32]],
    points: NDArray[np.float64],
    middle: Keypoint,
    scale: float,
) -> tuple[Point, Point] | None:
    """Return the middle joint, and the last one a hand's length before the limb's far end.

    ``pixels`` are the rows and the columns of the limb's pixels in the whole map. None if that end is not a hand: only
    the upper arm is visible, or the photograph ends within the forearm.
    """
    rows, columns = pixels
    middle_joint = points[middle, :2]
    lengths = np.hypot(columns - middle_joint[0], rows - middle_joint[1])
    far = int(lengths.argmax())
    if lengths[far] < 1.5 * _HAND * scale or _is_cut(labels, limb, box, (int(rows[far]), int(columns[far])), scale):
        return None
    tip = np.array([columns[far], rows[far]], np.float64)
    root = points[ROOTS[middle]]
    if root[2] and np.hypot(*(tip - root[:2])) < _UPPER * np.hypot(*(middle_joint - root[:2])):
        return None
    return middle_joint, tip - (tip - middle_joint) * (_HAND * scale / lengths[far])


def _is_cut(labels: LabelMap, limb: Mask, box: Box, far: tuple[int, int], scale: float) -> bool:
    """Return whether the limb ends at the pixel ``far`` in a straight line beyond which nothing is labelled.

    A straight end alone may be a hand of a coarse label map.
    """
    seen = box_of(labels > 0)
    assert seen is not None
    for axis, (own, everything) in enumerate(zip(box, seen, strict=True)):
        ends = ((0, own.start, everything.start), (-1, own.stop - 1, everything.stop - 1))
        for at, end, last in ends:
            if far[axis] == end == last and np.count_nonzero(limb.take(at, axis=axis)) > _CUT * scale:
                return True
    return False


def _is_on(limb: Mask, box: Box, joint: Point) -> bool:
    """Return whether the joint is on a pixel of the limb, within half a pixel of its centre."""
    x, y = np.rint(joint[:2])
    row, column = int(y) - box[0].start, int(x) - box[1].start
    inside = 0 <= row < limb.shape[0] and 0 <= column < limb.shape[1]
    return inside and bool(limb[row, column]) and float(np.hypot(joint[0] - x, joint[1] - y)) < 0.5


def _in_reach(middle: Point, last: Point, box: Box, scale: float) -> Mask:
    """Return the disc around the hand or foot beyond the joint, large enough for a foreshortened limb too."""
    bone = last - middle
    length = float(np.hypot(*bone))
    reach = max(0.85 * length, 0.4 * scale)
    x, y = last + bone / length * 0.35 * reach
    rows, columns = _grid(box)
    near: Mask = (columns - np.float32(x)) ** 2 + (rows - np.float32(y)) ** 2 <= np.float32(reach**2)
    return near

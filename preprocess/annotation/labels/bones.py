"""Bones between joints, and each pixel's nearest bone, with distances in units of the bone's radius."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas import TORSO, Keypoint

Point = NDArray[np.float64]
Distances = NDArray[np.float32]

_ARMS: Final = {
    "right_arm": (Keypoint.RIGHT_SHOULDER, Keypoint.RIGHT_ELBOW, Keypoint.RIGHT_WRIST),
    "left_arm": (Keypoint.LEFT_SHOULDER, Keypoint.LEFT_ELBOW, Keypoint.LEFT_WRIST),
}
_LEGS: Final = {
    "right_leg": (Keypoint.RIGHT_HIP, Keypoint.RIGHT_KNEE, Keypoint.RIGHT_ANKLE),
    "left_leg": (Keypoint.LEFT_HIP, Keypoint.LEFT_KNEE, Keypoint.LEFT_ANKLE),
}
_SHOULDERS, _HIPS = list(TORSO[:2]), list(TORSO[2:])
_SHOES: Final = {"right_leg": "right_shoe", "left_leg": "left_shoe"}
_UPPER_ARM, _FOREARM, _HAND, _THIGH, _SHANK, _FOOT, _NECK = 0.13, 0.10, 0.12, 0.20, 0.13, 0.17, 0.16
"""Radius of bare limbs around their bones, in torso lengths."""
_HAND_LENGTH, _FOOT_LENGTH = 0.36, 0.30
"""How far hand and foot extend beyond wrist and ankle, in torso lengths."""
_BEFORE_ANKLE: Final = 0.05


@dataclass(frozen=True)
class Bone:
    """A line segment between two joints, and the region it belongs to."""

    region: str
    start: Point
    end: Point
    radius: float
    """Pixels"""
    is_end: bool = False
    """Whether it is a hand or a foot, beyond the last joint"""


@dataclass(frozen=True)
class Body:
    """Position and size of the torso, in pixels."""

    shoulders: Point
    """Midpoint of the shoulders"""
    up: Point
    """Unit vector from the hips to the shoulders"""
    length: float
    """Length of the torso"""
    quad: NDArray[np.float64]
    """(4, 2): left shoulder, right shoulder, right hip, left hip"""


def body_of(joints: NDArray[np.float64]) -> Body | None:
    """Return the torso of (17, 3) joints (x, y, 0 for unknown); None unless both shoulders and both hips are known."""
    if not joints[_SHOULDERS + _HIPS, 2].all():
        return None
    shoulders, hips = (joints[pair, :2].mean(axis=0) for pair in (_SHOULDERS, _HIPS))
    length = float(np.hypot(*(shoulders - hips)))
    if length < 2:
        return None
    return Body(shoulders, (shoulders - hips) / length, length, joints[_SHOULDERS + _HIPS[::-1], :2])


def bones(joints: NDArray[np.float64], body: Body, chin: Point) -> list[Bone]:
    """Return the bones of neck, arms, legs and feet whose joints are known."""
    unit = body.length
    all_bones = [Bone("neck", chin, body.shoulders, _NECK * unit)]
    for region, (shoulder, elbow, wrist) in _ARMS.items():
        all_bones += _chain(region, joints, (shoulder, elbow, wrist), (_UPPER_ARM * unit, _FOREARM * unit))
        if tip := _beyond(joints, elbow, wrist, _HAND_LENGTH * unit):
            all_bones.append(Bone(region, *tip, _HAND * unit, is_end=True))
    for region, (hip, knee, ankle) in _LEGS.items():
        all_bones += _chain(region, joints, (hip, knee, ankle), (_THIGH * unit, _SHANK * unit))
        if tip := _beyond(joints, knee, ankle, _FOOT_LENGTH * unit):
            start = tip[0] + (tip[1] - tip[0]) * _BEFORE_ANKLE
            all_bones.append(Bone(_SHOES[region], start, tip[1], _FOOT * unit, is_end=True))
    return all_bones


def nearest(bones: list[Bone], shape: tuple[int, int]) -> tuple[NDArray[np.int32], Distances]:
    """Return for each pixel (h, w) the index of its nearest bone, and the distance in that bone's radii."""
    number = np.zeros(shape, np.int32)
    least = np.full(shape, np.inf, np.float32)
    for position, bone in enumerate(bones):
        away = distance(bone, shape)
        nearer = away < least
        number[nearer] = position
        least[nearer] = away[nearer]
    return number, least


def distance(bone: Bone, shape: tuple[int, int]) -> Distances:
    """Return each pixel's distance from a bone, in its radii."""
    rows = np.arange(shape[0], dtype=np.float32)[:, None] - np.float32(bone.start[1])
    columns = np.arange(shape[1], dtype=np.float32)[None, :] - np.float32(bone.start[0])
    dx, dy = (np.float32(value) for value in bone.end - bone.start)
    share = ((columns * dx + rows * dy) / max(float(dx * dx + dy * dy), 1e-6)).clip(0, 1)
    return np.asarray(np.hypot(columns - share * dx, rows - share * dy) / bone.radius, np.float32)


def _chain(
    region: str, joints: NDArray[np.float64], slots: tuple[int, int, int], radii: tuple[float, float]
) -> list[Bone]:
    pairs = zip(slots, slots[1:], radii, strict=False)
    return [
        Bone(region, joints[start, :2], joints[end, :2], radius)
        for start, end, radius in pairs
        if joints[start, 2] and joints[end, 2]
    ]


def _beyond(joints: NDArray[np.float64], before: int, last: int, length: float) -> tuple[Point, Point] | None:
    """Return the last joint, and the point ``length`` beyond it in the direction of its bone."""
    if not (joints[before, 2] and joints[last, 2]):
        return None
    bone = joints[last, :2] - joints[before, :2]
    size = float(np.hypot(*bone))
    return (joints[last, :2], joints[last, :2] + bone / size * length) if size > 1 else None

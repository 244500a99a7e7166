"""Arms, legs and shoes of label tables without sides: divided into left and right by the pose."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from preprocess.formats.label_maps import PixelParse
from schemas import Keypoint

Points = NDArray[np.float64]

_ARMS = {
    "right": (Keypoint.RIGHT_SHOULDER, Keypoint.RIGHT_ELBOW, Keypoint.RIGHT_WRIST),
    "left": (Keypoint.LEFT_SHOULDER, Keypoint.LEFT_ELBOW, Keypoint.LEFT_WRIST),
}
_LEGS = {
    "right": (Keypoint.RIGHT_HIP, Keypoint.RIGHT_KNEE, Keypoint.RIGHT_ANKLE),
    "left": (Keypoint.LEFT_HIP, Keypoint.LEFT_KNEE, Keypoint.LEFT_ANKLE),
}
_LIMBS = {"arms": ("arm", _ARMS), "legs": ("leg", _LEGS), "shoes": ("shoe", _LEGS)}
"""Region without a side → what a side of it is called, and the joints of each side."""


def with_sides(parse: PixelParse, points: Points) -> PixelParse:
    """Return the parse with every pixel of a limb given to the side whose bones are nearer; unchanged without any."""
    if not set(_LIMBS) & set(parse.names):
        return parse
    numbers, names = parse.numbers.copy(), list(parse.names)
    for region, (part, sides) in _LIMBS.items():
        if region not in names:
            continue
        rows, columns = np.nonzero(parse.mask(frozenset({region})))
        distances = [_distance(rows, columns, points[list(joints)]) for joints in sides.values()]
        # On a tie, with no joint of either side known, all of it is the right side's: its end is cut by no pose.
        numbers[rows, columns] = len(names) + (distances[0] > distances[1])
        names += [f"{side}_{part}" for side in sides]
        names[: len(names) - 2] = ["unknown" if name == region else name for name in names[: len(names) - 2]]
    return replace(parse, numbers=numbers, names=tuple(names))


def _distance(rows: NDArray[np.intp], columns: NDArray[np.intp], joints: Points) -> NDArray[np.float32]:
    """Return each pixel's distance to the nearest bone between known joints, or to a lone joint."""
    known = joints[joints[:, 2] > 0, :2].astype(np.float32)
    nearest = np.full(len(rows), np.inf, np.float32)
    pixels = np.column_stack([columns, rows]).astype(np.float32)
    ends = pairwise(known) if len(known) > 1 else zip(known, known, strict=True)
    for start, end in ends:
        bone = end - start
        length = float(bone @ bone)
        along = np.clip((pixels - start) @ bone / length, 0, 1) if length else np.zeros(len(pixels), np.float32)
        gap = pixels - start - along[:, None] * bone
        nearest = np.minimum(nearest, np.hypot(gap[:, 0], gap[:, 1]))
    return nearest

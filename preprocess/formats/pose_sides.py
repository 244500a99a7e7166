"""Left and right of a pose, and the view that they show.

In AI-Hub's annotations they are swapped in 1–6 % of the pairs, and repaired if the rest of the pose is unambiguous.
Estimated poses (OpenPose and the like) are never swapped: what looks so is a back, perhaps looking over the shoulder.
Only if a whole face, with both eyes and both ears, is swapped together with the body was the pose mirrored with its
image without exchanging left and right.

Left and right are the wearer's, so in a front view the left joints are at larger x, in a back view at smaller x.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from preprocess.faults import Fault
from schemas import FLIP, TORSO, Keypoint, View

_NOSE_AND_EYES = slice(Keypoint.NOSE, Keypoint.LEFT_EAR)
_EYES_AND_EARS = slice(Keypoint.LEFT_EYE, Keypoint.LEFT_SHOULDER)
_BODY = slice(Keypoint.LEFT_SHOULDER, None)
_FACE_PAIRS = ((Keypoint.LEFT_EYE, Keypoint.RIGHT_EYE), (Keypoint.LEFT_EAR, Keypoint.RIGHT_EAR))
_BODY_PAIRS = (
    (Keypoint.LEFT_SHOULDER, Keypoint.RIGHT_SHOULDER),
    (Keypoint.LEFT_HIP, Keypoint.RIGHT_HIP),
    (Keypoint.LEFT_KNEE, Keypoint.RIGHT_KNEE),
    (Keypoint.LEFT_ANKLE, Keypoint.RIGHT_ANKLE),
)
_FACE_ACROSS = [Keypoint.LEFT_EAR, Keypoint.LEFT_EYE, Keypoint.NOSE, Keypoint.RIGHT_EYE, Keypoint.RIGHT_EAR]
"""A face from the left to the right of its mirror image."""
_CLEAR = 0.15
"""Minimum distance of a person's left and right joints, in torso lengths: less is a side view."""

_CLEAR_GARMENT = 0.05
"""The same for a garment, as a share of the longer side of its box."""


def view_of(points: NDArray[np.float64]) -> View:
    """Return the side that a person shows, by the pose (17, 3) alone: left joints are at larger x in a front view.

    Shoulders and hips decide; where they are missing the shoulders alone do. Without shoulders it is a front view if
    the face is seen, or if nothing tells.
    """
    rows = points.tolist()
    left, right, left_hip, right_hip = (rows[joint] for joint in TORSO)
    if not (left[2] and right[2]):
        ears = [rows[joint][2] for joint in (Keypoint.LEFT_EAR, Keypoint.RIGHT_EAR)]
        return "back" if all(ears) and not rows[Keypoint.NOSE][2] else "front"
    across = left[0] - right[0]
    if left_hip[2] and right_hip[2]:
        height = math.hypot(
            (left[0] + right[0] - left_hip[0] - right_hip[0]) / 2, (left[1] + right[1] - left_hip[1] - right_hip[1]) / 2
        )
        shoulders, hips = across / max(height, 1e-9), (left_hip[0] - right_hip[0]) / max(height, 1e-9)
        if abs(shoulders) < _CLEAR:
            return "side"
        if shoulders * hips > 0 or abs(hips) < _CLEAR:
            return "front" if shoulders > 0 else "back"
        return "side"
    if across < 0:
        return "back"
    eyes = [rows[joint] for joint in (Keypoint.NOSE, Keypoint.LEFT_EYE, Keypoint.RIGHT_EYE)]
    drop = max((left[1] + right[1]) / 2 - eyes[0][1], 0.0) if eyes[0][2] else 0.0
    return "side" if drop and across < _CLEAR * drop else "front"


def is_mirrored(points: NDArray[np.float64]) -> bool:
    """Return whether a pose (17, 3) is a front view's mirror image in which left and right were not exchanged.

    A head that looks over the shoulder hides an ear, and a head seen from behind hides nose and eyes.
    """
    face = points[_FACE_ACROSS]
    steps = np.diff(face[:, 0])
    return bool((face[:, 2] == 1).all() and (steps > 0).all() and view_of(points) == "back")


def repair_person(points: NDArray[np.float64], view: str | None) -> Fault | None:
    """Exchange a person's left and right in place if they are swapped; return the fault.

    They are swapped if both shoulders and both hips are on the wrong side. The view is doubtful, and nothing is
    changed, if the joints show another view than the file and the face does not decide. ``points`` is (17, 3), x, y in
    pixels and v as in the files: 0 absent, 1 occluded, 2 visible. Only front and back views are checked; if the file
    gives no view, a face with both eyes visible makes it a front view.
    """
    rows = points.tolist()
    shown = _side_shown(rows)
    face = all(known == 2 for _, _, known in rows[_NOSE_AND_EYES])
    expected = {"front": 1, "back": -1, "side": 0, None: int(face)}[view]
    if not shown or not expected or shown == expected:
        return None
    sure = points[_NOSE_AND_EYES, 2].any() if expected == 1 else not face
    if not sure:
        return Fault.DOUBTFUL_VIEW
    _exchange(points, _BODY)
    across = [
        float(points[left, 0] - points[right, 0]) for left, right in _FACE_PAIRS if points[[left, right], 2].all()
    ]
    if across and sum(across) * expected < 0:
        _exchange(points, _EYES_AND_EARS)
    return Fault.SWAPPED_SIDES


def repair_garment(points: NDArray[np.float64], side: str) -> Fault | None:
    """Exchange a garment's left and right in place if they are swapped; return the fault.

    ``side`` is front or back. At least two pairs (shoulders, hips, knees, ankles) must be known, and all must agree.
    """
    rows = points.tolist()
    pairs = [(rows[left], rows[right]) for left, right in _BODY_PAIRS if rows[left][2] and rows[right][2]]
    if len(pairs) < 2:
        return None
    columns, lines = zip(*((x, y) for x, y, known in rows if known > 0), strict=True)
    clear = _CLEAR_GARMENT * max(max(columns) - min(columns), max(lines) - min(lines))
    expected = 1 if side == "front" else -1
    if any((left[0] - right[0]) * expected > -clear for left, right in pairs):
        return None
    _exchange(points, _BODY)
    return Fault.SWAPPED_SIDES


def _side_shown(rows: list[list[float]]) -> int:
    """Return 1 if shoulders and hips are as in a front view, -1 if as in a back view, 0 if unclear."""
    joints = [rows[joint] for joint in TORSO]
    if not all(known for _, _, known in joints):
        return 0
    (left, top, _), (right, low, _), (left_hip, top_hip, _), (right_hip, low_hip, _) = joints
    torso = math.hypot((left + right - left_hip - right_hip) / 2, (top + low - top_hip - low_hip) / 2)
    across = left - right, left_hip - right_hip
    if min(across) > _CLEAR * torso:
        return 1
    return -1 if max(across) < -_CLEAR * torso else 0


def _exchange(points: NDArray[np.float64], slots: slice) -> None:
    points[slots] = points[list(FLIP)][slots]
